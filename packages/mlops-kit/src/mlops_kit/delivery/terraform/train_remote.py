"""Train on ECS: start a task of the infrastructure's task definition, and follow its log to the end."""

from __future__ import annotations

import json
import os
import time
from typing import Any, Optional

from mlops_kit.core import project
from mlops_kit.core.console import echo
from mlops_kit.core.errors import UserError

from ..deploy import aws
from . import roots
from .apply import client

# Environment variables of this command that the task gets, too.
_PASSED_ON = ("CONFIG", "SET")
_MISSES = 12  # requests in a row in which ECS does not list the task, before that is an error


def train(name: str, poll_seconds: float = 5.0) -> int:
    """Start a training task in the environment `name` and follow its log; return the container's exit code.

    Args:
        name: The environment.
        poll_seconds: Seconds between two requests for its status and log.

    Raises:
        UserError: `name` is no environment or has no `training`, AWS refuses, ECS could not start the task, or lost it.
    """
    try:
        return _follow(_contract(name), poll_seconds)
    except aws.errors() as error:
        raise UserError(aws.sentence(error)) from error


def _contract(name: str) -> dict[str, Any]:
    if not roots.load(name).is_environment:
        raise UserError(f"ENV is {name!r}, where nothing trains; accepted: an environment")
    parameter = f"/{project.current().name}/{name}/training"
    try:
        answer = client("ssm").get_parameter(Name=parameter)
    except aws.errors() as error:
        if aws.code(error) == "ParameterNotFound":
            raise UserError(
                f"there is no SSM parameter {parameter}: give `training` in configs/infra/{name}.yaml,"
                f" then make infra-apply ENV={name}"
            ) from None
        raise
    found: dict[str, Any] = json.loads(answer["Parameter"]["Value"])
    return found


def _follow(contract: dict[str, Any], poll_seconds: float) -> int:
    ecs = client("ecs")
    arn = _start(ecs, contract)
    task = arn.rpartition("/")[2]
    stream = f"{contract['container']}/{contract['container']}/{task}"
    echo(f"training   task {task} in {contract['cluster']}; it continues if you leave")
    token: Optional[str] = None
    misses = 0
    while True:
        listed = ecs.describe_tasks(cluster=contract["cluster"], tasks=[arn])["tasks"]
        token = _log(contract["log_group"], stream, token)
        if listed and listed[0]["lastStatus"] == "STOPPED":
            if token:  # CloudWatch shows lines only some seconds after they were written
                time.sleep(poll_seconds)
                _log(contract["log_group"], stream, token)
            return _end(listed[0])
        # ECS may not know yet what it has just started:
        # https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RunTask.html
        misses = 0 if listed else misses + 1
        if misses == _MISSES:
            raise UserError(f"ECS does not list the task {task} of {contract['cluster']}")
        time.sleep(poll_seconds)


def _start(ecs: Any, contract: dict[str, Any]) -> str:
    variables = [
        {"name": key, "value": os.environ[key]} for key in _PASSED_ON if os.environ.get(key)
    ]
    answer = ecs.run_task(
        cluster=contract["cluster"],
        taskDefinition=contract["task_definition"],
        capacityProviderStrategy=[{"capacityProvider": contract["capacity_provider"], "weight": 1}],
        networkConfiguration={
            "awsvpcConfiguration": {
                "subnets": contract["subnets"],
                "securityGroups": contract["security_groups"],
                "assignPublicIp": "ENABLED" if contract["assign_public_ip"] else "DISABLED",
            }
        },
        overrides={
            "containerOverrides": [{"name": contract["container"], "environment": variables}]
        },
    )
    if not answer["tasks"]:
        reasons = "; ".join(one.get("reason", "no reason") for one in answer["failures"])
        raise UserError(f"ECS started no task: {reasons}")
    return str(answer["tasks"][0]["taskArn"])


def _log(group: str, stream: str, token: Optional[str]) -> Optional[str]:
    """Print new lines of the log; return the token of the page after them.

    Pages may be empty before the end, at which the token repeats:
    https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_GetLogEvents.html
    """
    logs = client("logs")
    while True:
        more = {"nextToken": token} if token else {}
        try:
            answer = logs.get_log_events(
                logGroupName=group, logStreamName=stream, startFromHead=True, **more
            )
        except logs.exceptions.ResourceNotFoundException:
            return token  # the container has not started
        for event in answer["events"]:
            echo(event["message"].rstrip())
        if answer["nextForwardToken"] == token:
            return token
        token = str(answer["nextForwardToken"])


def _end(task: dict[str, Any]) -> int:
    container = task["containers"][0] if task.get("containers") else {}
    code = container.get("exitCode")
    if code is None:
        reason = container.get("reason") or task.get("stoppedReason") or "ECS gave no reason"
        raise UserError(f"the training task never ran: {reason}")
    return int(code)
