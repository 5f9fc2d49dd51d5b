"""What IAM asks for each call that the deployer makes: from AWS' service authorization reference."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .policies import Need

Parameters = dict[str, Any]
_OF_THE_SERVICE = (
    "CreateService",
    "DescribeServices",
    "ListServiceDeployments",
    "UpdateService",
)


def of(call: list[Any], region: str, account: str) -> list[Need]:
    """Return what the call [service, operation, parameters] needs; nothing for what everybody may do.

    Raises:
        KeyError: The deployer makes a call that this table does not know.
    """
    service, operation, parameters = call
    return _NEEDS[service](operation, parameters, f"{region}:{account}")


def _ecs(operation: str, given: Parameters, here: str) -> list[Need]:
    arn = f"arn:aws:ecs:{here}"
    cluster = given.get("cluster", "")
    within = (("ecs:cluster", f"{arn}:cluster/{cluster}"),)
    if operation in _OF_THE_SERVICE:
        name = given.get("serviceName") or given.get("service") or given["services"][0]
        needs = [Need(f"ecs:{operation}", f"{arn}:service/{cluster}/{name}")]
        for balancer in given.get("loadBalancers", []):
            needs.append(_passes(balancer["advancedConfiguration"]["roleArn"], "ecs"))
        if operation == "CreateService":
            needs.append(Need("ecs:TagResource", f"{arn}:service/{cluster}/{name}"))
        return needs
    if operation == "RegisterTaskDefinition":
        return [
            Need("ecs:RegisterTaskDefinition", "*"),
            Need("ecs:TagResource", f"{arn}:task-definition/{given['family']}:1"),
            _passes(given["executionRoleArn"], "ecs-tasks"),
            _passes(given["taskRoleArn"], "ecs-tasks"),
        ]
    if operation == "DescribeTaskDefinition":
        return [Need("ecs:DescribeTaskDefinition", "*")]
    if operation == "ListTasks":
        return [Need("ecs:ListTasks", "*", within)]
    if operation == "DescribeTasks":
        return [Need("ecs:DescribeTasks", one) for one in given["tasks"]]
    named = {
        "ContinueServiceDeployment": "serviceDeploymentArn",
        "DescribeServiceDeployments": "serviceDeploymentArns",
        "DescribeServiceRevisions": "serviceRevisionArns",
        "StopServiceDeployment": "serviceDeploymentArn",
    }[operation]
    arns = given[named] if isinstance(given[named], list) else [given[named]]
    return [Need(f"ecs:{operation}", one) for one in arns]


def _passes(role: str, service: str) -> Need:
    return Need("iam:PassRole", role, (("iam:PassedToService", f"{service}.amazonaws.com"),))


def _s3(operation: str, given: Parameters, _here: str) -> list[Need]:
    bucket = f"arn:aws:s3:::{given['Bucket']}"
    if operation == "ListObjectsV2":
        return [Need("s3:ListBucket", bucket)]
    return [
        Need(
            f"s3:{ {'GetObject': 'GetObject', 'PutObject': 'PutObject'}[operation] }",
            f"{bucket}/{given['Key']}",
        )
    ]


def _ecr(operation: str, given: Parameters, here: str) -> list[Need]:
    return [Need(f"ecr:{operation}", f"arn:aws:ecr:{here}:repository/{given['repositoryName']}")]


def _ssm(operation: str, given: Parameters, here: str) -> list[Need]:
    return [Need(f"ssm:{operation}", f"arn:aws:ssm:{here}:parameter{given['Name']}")]


def _secretsmanager(operation: str, given: Parameters, _here: str) -> list[Need]:
    return [Need(f"secretsmanager:{operation}", given["SecretId"])]


def _iam(operation: str, given: Parameters, here: str) -> list[Need]:
    return [Need(f"iam:{operation}", f"arn:aws:iam::{here.split(':')[1]}:role/{given['RoleName']}")]


def _elbv2(operation: str, _given: Parameters, _here: str) -> list[Need]:
    return [Need(f"elasticloadbalancing:{operation}", "*")]


def _logs(operation: str, given: Parameters, here: str) -> list[Need]:
    group = f"arn:aws:logs:{here}:log-group:{given['logGroupName']}"
    stream = given.get("logStreamName")
    return [Need(f"logs:{operation}", f"{group}:log-stream:{stream}" if stream else group)]


def _autoscaling(operation: str, given: Parameters, here: str) -> list[Need]:
    if operation == "DescribeScalableTargets":
        return [Need(f"application-autoscaling:{operation}", "*")]
    target = f"arn:aws:application-autoscaling:{here}:scalable-target/0ec5"
    of_ecs = (("application-autoscaling:service-namespace", given["ServiceNamespace"]),)
    return [Need(f"application-autoscaling:{operation}", target, of_ecs)]


def _cloudwatch(operation: str, _given: Parameters, _here: str) -> list[Need]:
    return [Need(f"cloudwatch:{operation}", "*")]  # with less, composite alarms are kept back


def _sts(operation: str, _given: Parameters, _here: str) -> list[Need]:
    return {"GetCallerIdentity": []}[operation]  # everybody may


_NEEDS: dict[str, Callable[[str, Parameters, str], list[Need]]] = {
    "application-autoscaling": _autoscaling,
    "cloudwatch": _cloudwatch,
    "ecr": _ecr,
    "ecs": _ecs,
    "elbv2": _elbv2,
    "iam": _iam,
    "logs": _logs,
    "s3": _s3,
    "secretsmanager": _secretsmanager,
    "ssm": _ssm,
    "sts": _sts,
}
