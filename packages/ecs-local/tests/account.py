"""An account for deployments: network, load balancer, roles, repository, log group, bucket, alarm."""

import json

NAME = "example"
PARAMETER = f"/{NAME}/account"
CONTAINER_PORT = 8000


def create(emulator) -> dict:
    """Create it in an empty emulator, store it in PARAMETER and return it."""
    client, region = emulator.client, emulator.region
    ec2 = client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(
            VpcId=vpc, CidrBlock=f"10.0.{number}.0/24", AvailabilityZone=f"{region}{zone}"
        )["Subnet"]["SubnetId"]
        for number, zone in enumerate("ab")
    ]
    group = ec2.create_security_group(GroupName=NAME, Description=NAME, VpcId=vpc)["GroupId"]
    client("ecs").create_cluster(clusterName=NAME)
    client("logs").create_log_group(logGroupName=NAME)
    client("ecr").create_repository(repositoryName=NAME, imageTagMutability="IMMUTABLE")
    where = {"LocationConstraint": region}
    client("s3").create_bucket(Bucket=f"{NAME}-records", CreateBucketConfiguration=where)
    client("cloudwatch").put_metric_alarm(
        AlarmName=f"{NAME}-5xx",
        Namespace="AWS/ApplicationELB",
        MetricName="HTTPCode_Target_5XX_Count",
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=5.0,
        ComparisonOperator="GreaterThanThreshold",
    )
    made = {
        "cluster": NAME,
        "subnets": subnets,
        "security_groups": [group],
        "records_bucket": f"{NAME}-records",
        "log_group": NAME,
        "alarms": [f"{NAME}-5xx"],
        "load_balancer_role": _role(client("iam"), "ecs"),
        "execution_role": _role(client("iam"), "ecs-tasks"),
        **_balancing(client("elbv2"), vpc, subnets, emulator.port),
    }
    client("ssm").put_parameter(Name=PARAMETER, Type="String", Value=json.dumps(made))
    return made


def _role(iam, service: str) -> str:
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": f"{service}.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    role = iam.create_role(RoleName=f"{NAME}-{service}", AssumeRolePolicyDocument=document)
    return role["Role"]["Arn"]


def _balancing(elbv2, vpc: str, subnets: list[str], port: int) -> dict:
    made = elbv2.create_load_balancer(Name=NAME, Subnets=subnets)
    balancer = made["LoadBalancers"][0]["LoadBalancerArn"]
    blue, green = (
        elbv2.create_target_group(
            Name=f"{NAME}-{colour}",
            Protocol="HTTP",
            Port=CONTAINER_PORT,
            VpcId=vpc,
            TargetType="ip",
            HealthCheckPath="/readyz",
            Matcher={"HttpCode": "200"},
        )["TargetGroups"][0]["TargetGroupArn"]
        for colour in ("blue", "green")
    )
    groups = [{"TargetGroupArn": blue, "Weight": 100}, {"TargetGroupArn": green, "Weight": 0}]
    refused = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}}
    rules = {}
    for number, name in enumerate(("production", "test"), 1):
        listener = elbv2.create_listener(
            LoadBalancerArn=balancer, Protocol="HTTP", Port=port + number, DefaultActions=[refused]
        )["Listeners"][0]["ListenerArn"]
        rules[f"{name}_rule"] = elbv2.create_rule(
            ListenerArn=listener,
            Priority=1,
            Conditions=[{"Field": "path-pattern", "Values": ["/*"]}],
            Actions=[{"Type": "forward", "ForwardConfig": {"TargetGroups": groups}}],
        )["Rules"][0]["RuleArn"]
    return {"blue_target_group": blue, "green_target_group": green, **rules}
