"""The service's log lines in CloudWatch Logs."""

from __future__ import annotations

import time
from collections.abc import Iterator

from .environment import Environment


def since(environment: Environment, minutes: int) -> Iterator[str]:
    """Yield the lines of the last `minutes`, each after the first eight characters of its task's id."""
    pages = (
        environment.aws.client("logs")
        .get_paginator("filter_log_events")
        .paginate(
            logGroupName=environment.contract.log_group,
            startTime=int(1000 * (time.time() - 60 * minutes)),
        )
    )
    for page in pages:
        for event in page["events"]:
            task = event["logStreamName"].rpartition("/")[2]
            yield f"{task[:8]} {event['message'].rstrip()}"
