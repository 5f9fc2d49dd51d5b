"""Make in the emulator what Terraform makes in an account, and write the contract."""

from __future__ import annotations

import json
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from . import settings

NAME = "ml-template"
ENVIRONMENT = "local"
PARAMETER = f"/{NAME}/{ENVIRONMENT}/deploy"
CONTAINER_PORT = 8000
_BUCKET = f"{NAME}-records"
_LOG_GROUP = f"/{NAME}/{ENVIRONMENT}"
_ROLES = {"execution": "ecs-tasks", "task": "ecs-tasks", "load-balancer": "ecs"}
_ALARMS = {
    f"{NAME}-{ENVIRONMENT}-5xx": ("HTTPCode_Target_5XX_Count", "Sum", 5.0),
    f"{NAME}-{ENVIRONMENT}-latency": ("TargetResponseTime", "Average", 1.0),
}


def bootstrap(given: settings.Settings) -> bool:
    """Make everything, and the contract last; return whether it was missing.

    A run that was cut off has written no contract: the next one starts over, and finds what is there by its name.
    """
    clients = Clients(given)
    ssm = clients("ssm")
    try:
        ssm.get_parameter(Name=PARAMETER)
    except ssm.exceptions.ParameterNotFound:
        contract = _contract(clients, given)
        ssm.put_parameter(Name=PARAMETER, Type="String", Value=json.dumps(contract))
        return True
    return False


class Clients:
    """boto3 clients of the emulator, whatever the environment says of AWS."""

    def __init__(self, given: settings.Settings) -> None:
        self._url = given.url

    def __call__(self, service: str) -> Any:
        """Return a client."""
        return boto3.client(
            service,
            region_name=settings.region(),
            endpoint_url=self._url,
            aws_access_key_id="local",
            aws_secret_access_key="local",  # nosec B106 # the emulator accepts every key
            config=Config(proxies={}),  # whatever HTTP_PROXY says
        )


def _contract(clients: Clients, given: settings.Settings) -> dict[str, Any]:
    network = _network(clients("ec2"))
    balancing = _balancing(clients("elbv2"), network, given)
    clients("ecs").create_cluster(clusterName=NAME)
    _unless_there(clients("logs").create_log_group, logGroupName=_LOG_GROUP)
    roles = _roles(clients("iam"))
    _unless_there(
        clients("ecr").create_repository, repositoryName=NAME, imageTagMutability="IMMUTABLE"
    )
    _unless_there(
        clients("s3").create_bucket,
        Bucket=_BUCKET,
        CreateBucketConfiguration={"LocationConstraint": settings.region()},
    )
    for name, (metric, statistic, limit) in _ALARMS.items():
        clients("cloudwatch").put_metric_alarm(
            AlarmName=name,
            Namespace="AWS/ApplicationELB",
            MetricName=metric,
            Statistic=statistic,
            Period=60,
            EvaluationPeriods=1,
            Threshold=limit,
            ComparisonOperator="GreaterThanThreshold",
            TreatMissingData="notBreaching",
        )
    return {
        "environment": ENVIRONMENT,
        "region": settings.region(),
        "account_id": settings.ACCOUNT,
        "cluster": NAME,
        "service": NAME,
        "container_port": CONTAINER_PORT,
        "subnets": network["subnets"],
        "security_groups": network["security_groups"],
        "assign_public_ip": False,
        "repository": f"{given.registry}/{NAME}",
        "records_bucket": _BUCKET,
        **balancing,
        "production_url": f"http://{settings.HOST}:{given.production_port}",
        "test_url": f"http://{settings.HOST}:{given.test_port}",
        "load_balancer_role": roles["load-balancer"],
        "execution_role": roles["execution"],
        "task_role": roles["task"],
        "log_group": _LOG_GROUP,
        "alarms": list(_ALARMS),
        "secrets": {},
    }


def _network(ec2: Any) -> dict[str, Any]:
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(
            VpcId=vpc,
            CidrBlock=f"10.0.{number}.0/24",
            AvailabilityZone=f"{settings.region()}{zone}",
        )["Subnet"]["SubnetId"]
        for number, zone in enumerate("ab")
    ]
    group = ec2.create_security_group(GroupName=NAME, Description=NAME, VpcId=vpc)["GroupId"]
    return {"vpc": vpc, "subnets": subnets, "security_groups": [group]}


def _balancing(elbv2: Any, network: dict[str, Any], given: settings.Settings) -> dict[str, str]:
    balancer = elbv2.create_load_balancer(
        Name=NAME, Subnets=network["subnets"], SecurityGroups=network["security_groups"]
    )["LoadBalancers"][0]["LoadBalancerArn"]
    blue, green = (_target_group(elbv2, network["vpc"], colour) for colour in ("blue", "green"))
    return {
        "blue_target_group": blue,
        "green_target_group": green,
        "production_rule": _rule(elbv2, balancer, given.production_port, blue, green),
        "test_rule": _rule(elbv2, balancer, given.test_port, blue, green),
    }


def _target_group(elbv2: Any, vpc: str, colour: str) -> str:
    made = elbv2.create_target_group(
        Name=f"{NAME}-{colour}",
        Protocol="HTTP",
        Port=CONTAINER_PORT,
        VpcId=vpc,
        TargetType="ip",
        HealthCheckPath="/readyz",
        Matcher={"HttpCode": "200"},
    )
    return str(made["TargetGroups"][0]["TargetGroupArn"])


def _rule(elbv2: Any, balancer: str, port: int, blue: str, green: str) -> str:
    listener = elbv2.create_listener(
        LoadBalancerArn=balancer,
        Protocol="HTTP",
        Port=port,
        DefaultActions=[{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}}],
    )["Listeners"][0]["ListenerArn"]
    groups = [
        {"TargetGroupArn": blue, "Weight": 100},
        {"TargetGroupArn": green, "Weight": 0},
    ]
    made = elbv2.create_rule(
        ListenerArn=listener,
        Priority=1,
        Conditions=[{"Field": "path-pattern", "Values": ["/*"]}],
        Actions=[{"Type": "forward", "ForwardConfig": {"TargetGroups": groups}}],
    )
    return str(made["Rules"][0]["RuleArn"])


def _roles(iam: Any) -> dict[str, str]:
    arns = {}
    for role, service in _ROLES.items():
        name = f"{NAME}-{ENVIRONMENT}-{role}"
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": f"{service}.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        _unless_there(iam.create_role, RoleName=name, AssumeRolePolicyDocument=document)
        arns[role] = str(iam.get_role(RoleName=name)["Role"]["Arn"])
    return arns


def _unless_there(create: Any, **parameters: Any) -> None:
    try:
        create(**parameters)
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if "AlreadyExists" not in code and code != "BucketAlreadyOwnedByYou":
            raise
