"""The diagnosis of stopped tasks: causes from ECS' reasons, and the last log lines.

Source of the reasons: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/stopped-task-error-codes.html
"""

from __future__ import annotations

import re
from collections import Counter
from datetime import datetime
from typing import Any, NamedTuple, Optional

from . import aws
from .contract import Contract
from .task_definition import CONTAINER

_LINES = 5
_OUT_OF_MEMORY = 137  # an exit code: 128 + SIGKILL

_CAUSES = (
    (
        r"matching platform|exec format error",
        "the image is made for other machines than the tasks run on (make push compares)",
    ),
    (r"CannotPull|ImageNotFound|manifest", "the image could not be pulled"),
    (r"secret|ssm parameter", "a secret could not be read"),
    (r"ResourceInitialization", "the task could not be prepared"),
    (r"OutOfMemory", "the container ran out of memory (tasks.memory of configs/deploy/)"),
    (r"health check", "the task never became healthy, or stopped being so"),
)
_NO_CAPACITY = re.compile(r"unable to place a task.*")


class Cause(NamedTuple):
    """One cause, and how many tasks it stopped."""

    sentence: str
    tasks: int
    stop_code: str
    stopped_reason: str
    exit_code: Optional[int]


def causes(tasks: list[dict[str, Any]]) -> list[Cause]:
    """Return the causes of stopped tasks (as DescribeTasks has them), the most frequent first."""
    counted = Counter(_end_of(task) for task in tasks)
    return [
        Cause(_sentence(reason, code), number, stop_code, reason, code)
        for (stop_code, reason, code), number in counted.most_common()
    ]


def placement(service: dict[str, Any], since: datetime) -> str:
    """Return the newest of ECS' messages since then that no task could be placed, or an empty string.

    Source: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-event-messages-list.html
    """
    for event in service.get("events", [])[:10]:
        found = _NO_CAPACITY.search(event["message"])
        if found and event["createdAt"] >= since:
            return str(found.group())
    return ""


def last_lines(logs: Any, contract: Contract, tasks: list[dict[str, Any]]) -> list[str]:
    """Return the last five log lines of the newest stopped task that has any."""
    for task in reversed(tasks[-3:]):
        stream = f"{CONTAINER}/{CONTAINER}/{task['taskArn'].rpartition('/')[2]}"
        try:
            answer = logs.get_log_events(
                logGroupName=contract.log_group, logStreamName=stream, limit=_LINES
            )
        except aws.errors():  # a task that never ran has no stream, and a diagnosis must not fail
            continue
        if answer["events"]:
            return [event["message"].rstrip() for event in answer["events"]]
    return []


def _end_of(task: dict[str, Any]) -> tuple[str, str, Optional[int]]:
    codes = [part.get("exitCode") for part in task.get("containers", []) if "exitCode" in part]
    reasons = [task.get("stoppedReason", "")]
    reasons += [part["reason"] for part in task.get("containers", []) if part.get("reason")]
    # These differ between tasks that stopped for the same reason: ids, ARNs and addresses.
    reason = re.sub(
        r"\(?\b(task|target|instance)\b [^ )]*\)?|[0-9a-f]{16,}", "…", "; ".join(reasons)
    )
    return task.get("stopCode", ""), reason, codes[0] if codes else None


def _sentence(reason: str, code: Optional[int]) -> str:
    for pattern, cause in _CAUSES:
        if re.search(pattern, reason, re.IGNORECASE):
            return cause
    if code == _OUT_OF_MEMORY:
        return "the container was killed, as it is when it runs out of memory (tasks.memory)"
    if code is not None:
        return f"the container ended by itself with exit code {code}"
    return reason or "ECS gave no reason"
