"""Ship the tasks' log files to CloudWatch Logs."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

from .aws import Aws, region_of
from .records import Task

_BATCH = 1 << 18  # bytes of a request; PutLogEvents takes 1 MiB, with 26 bytes more for each event


class LogShipper:
    """Ships log files, and keeps an offset (bytes) for each."""

    def __init__(self, aws: Aws) -> None:
        self._aws = aws
        self._read: dict[str, int] = {}

    def ship(self, task: Task, log: Path) -> None:
        """Send new complete lines, and an incomplete last one if the task has stopped."""
        start = self._read.get(task.id, 0)
        if not task.log or not log.exists() or log.stat().st_size == start:
            return
        with log.open("rb") as file:
            file.seek(start)
            data = file.read(_BATCH)
        if task.alive:
            data = data[: data.rfind(b"\n") + 1]
        self._read[task.id] = start + len(data)
        lines = [line for line in data.decode("utf-8", "replace").splitlines() if line]
        if lines:
            self._send(task, lines)

    def restore(self, task: Task, log: Path) -> None:
        """Send the log from its beginning after a restart, because moto has lost it."""
        logs = self._aws.client("logs", region_of(task.arn))
        try:
            logs.create_log_stream(logGroupName=task.log["group"], logStreamName=task.log["stream"])
        except logs.exceptions.ClientError:
            return  # the group was deleted
        self.ship(task, log)

    def _send(self, task: Task, lines: list[str]) -> None:
        now = int(time.time() * 1000)
        logs = self._aws.client("logs", region_of(task.arn))
        # The group may be deleted while the task runs; the file still has the lines.
        with contextlib.suppress(logs.exceptions.ResourceNotFoundException):
            logs.put_log_events(
                logGroupName=task.log["group"],
                logStreamName=task.log["stream"],
                logEvents=[{"timestamp": now, "message": line} for line in lines],
            )
