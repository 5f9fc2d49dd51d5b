"""Create in the emulator of ENV=local what Terraform creates in an account, and write the contract."""

from __future__ import annotations

import json
import platform
from typing import Any

from mlops_kit.core import project

from .. import local_aws
from . import aws

ENVIRONMENT = "local"
_ROLES = {"execution": "ecs-tasks", "task": "ecs-tasks", "load-balancer": "ecs"}


def create(port: int) -> bool:
    """Create everything in the emulator on `port`, and the contract last; return whether it was missing.

    An interrupted run has written no contract: the next one starts again, and finds existing resources by name.

    Raises:
        ClientError: The emulator refuses.
    """
    clients = aws.Aws()
    ssm = clients.client("ssm")
    try:
        ssm.get_parameter(Name=parameter())
    except ssm.exceptions.ParameterNotFound:
        contract = json.dumps(_contract(clients, port))
        ssm.put_parameter(Name=parameter(), Type="String", Value=contract)
        return True
    return False


def urls(port: int) -> tuple[str, str]:
    """Return the URLs of the production listener and of the test listener."""
    return f"http://{local_aws.HOST}:{port + 1}", f"http://{local_aws.HOST}:{port + 2}"


def _contract(clients: aws.Aws, port: int) -> dict[str, Any]:
    region = clients.client("ec2").meta.region_name
    network = _network(clients.client("ec2"), region)
    balancing = _balancing(clients.client("elbv2"), network, port)
    clients.client("ecs").create_cluster(clusterName=project.current().name)
    _unless_there(clients.client("logs").create_log_group, logGroupName=_log_group())
    roles = _roles(clients.client("iam"))
    _unless_there(
        clients.client("ecr").create_repository,
        repositoryName=project.current().name,
        imageTagMutability="IMMUTABLE",
    )
    _make_bucket(clients.client("s3"), region)
    _make_alarms(clients.client("cloudwatch"))
    production, test = urls(port)
    return {
        "environment": ENVIRONMENT,
        "region": region,
        "account_id": clients.client("sts").get_caller_identity()["Account"],
        "cluster": project.current().name,
        "service": project.current().name,
        "container_port": local_aws.CONTAINER_PORT,
        "architecture": "ARM64" if platform.machine() in ("aarch64", "arm64") else "X86_64",
        "subnets": network["subnets"],
        "security_groups": network["security_groups"],
        "assign_public_ip": False,
        "repository": f"{local_aws.HOST}:{port}/{project.current().name}",
        "records_bucket": _bucket(),
        "predictions": f"s3://{_bucket()}/predictions",
        **balancing,
        "production_url": production,
        "test_url": test,
        "load_balancer_role": roles["load-balancer"],
        "execution_role": roles["execution"],
        "task_role": roles["task"],
        "log_group": _log_group(),
        "alarm_topic": clients.client("sns").create_topic(Name=_topic())["TopicArn"],
        "alarms": list(_alarms()),
        "secrets": {},
    }


def _make_bucket(s3: Any, region: str) -> None:
    # us-east-1 is the default and no valid LocationConstraint:
    # https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html
    elsewhere = {"CreateBucketConfiguration": {"LocationConstraint": region}}
    _unless_there(
        s3.create_bucket, Bucket=_bucket(), **({} if region == "us-east-1" else elsewhere)
    )


def _make_alarms(cloudwatch: Any) -> None:
    for name, (metric, statistic, limit) in _alarms().items():
        cloudwatch.put_metric_alarm(
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


def _network(ec2: Any, region: str) -> dict[str, Any]:
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(
            VpcId=vpc,
            CidrBlock=f"10.0.{number}.0/24",
            AvailabilityZone=f"{region}{zone}",
        )["Subnet"]["SubnetId"]
        for number, zone in enumerate("ab")
    ]
    group = ec2.create_security_group(
        GroupName=project.current().name, Description=project.current().name, VpcId=vpc
    )["GroupId"]
    return {"vpc": vpc, "subnets": subnets, "security_groups": [group]}


def _balancing(elbv2: Any, network: dict[str, Any], port: int) -> dict[str, str]:
    balancer = elbv2.create_load_balancer(
        Name=project.current().name,
        Subnets=network["subnets"],
        SecurityGroups=network["security_groups"],
    )["LoadBalancers"][0]["LoadBalancerArn"]
    blue, green = (_target_group(elbv2, network["vpc"], colour) for colour in ("blue", "green"))
    return {
        "blue_target_group": blue,
        "green_target_group": green,
        "production_rule": _rule(elbv2, balancer, port + 1, blue, green),
        "test_rule": _rule(elbv2, balancer, port + 2, blue, green),
    }


def _target_group(elbv2: Any, vpc: str, colour: str) -> str:
    made = elbv2.create_target_group(
        Name=f"{project.current().name}-{colour}",
        Protocol="HTTP",
        Port=local_aws.CONTAINER_PORT,
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
        name = f"{project.current().name}-{ENVIRONMENT}-{role}"
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
    except aws.errors() as error:
        code = aws.code(error)
        if "AlreadyExists" not in code and code != "BucketAlreadyOwnedByYou":
            raise


def parameter() -> str:
    """Return the name of the SSM parameter that holds the contract."""
    return f"/{project.current().name}/{ENVIRONMENT}/deploy"


def _bucket() -> str:
    return f"{project.current().name}-records"


def _topic() -> str:
    return f"{project.current().name}-{ENVIRONMENT}-alarms"


def _log_group() -> str:
    return f"/{project.current().name}/{ENVIRONMENT}"


def _alarms() -> dict[str, tuple[str, str, float]]:
    """Return metric, statistic and threshold of each alarm: a count in a minute, and seconds."""
    prefix = f"{project.current().name}-{ENVIRONMENT}"
    return {
        f"{prefix}-5xx": ("HTTPCode_Target_5XX_Count", "Sum", 5.0),
        f"{prefix}-latency": ("TargetResponseTime", "Average", 1.0),
    }
