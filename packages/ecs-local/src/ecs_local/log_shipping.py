"""Ship the tasks' log files to CloudWatch Logs."""

from __future__ import annotations

import codecs
import contextlib
import time
from pathlib import Path

from .aws import Aws, region_of
from .records import Task

# Bytes of the longest event; awslogs splits longer lines. It is also how much is read for a request.
# Source: https://github.com/moby/moby/blob/master/daemon/logger/awslogs/cloudwatchlogs.go
_LONGEST = (1 << 18) - 26
# PutLogEvents takes so many, of together 1 MiB with 26 bytes more for each.
_EVENTS = 10_000


class LogShipper:
    """Ships log files, and keeps an offset (bytes) for each."""

    def __init__(self, aws: Aws) -> None:
        self._aws = aws
        self._read: dict[str, int] = {}

    def ship(self, task: Task, log: Path) -> None:
        """Send some of the new complete lines of a running task, or all that is left of a stopped one."""
        start = self._read.get(task.id, 0)
        if not task.log or not log.exists() or log.stat().st_size == start:
            return
        with log.open("rb") as file:
            file.seek(start)
            while data := _next(file.read(_LONGEST), is_last=not task.alive):
                start += len(data)
                self._read[task.id] = start
                self._send(task, data.decode("utf-8", "replace"))
                if task.alive:
                    break
                file.seek(start)

    def restore(self, task: Task, log: Path) -> None:
        """Send the log from its beginning after a restart, because moto has lost it."""
        logs = self._aws.client("logs", region_of(task.arn))
        try:
            logs.create_log_stream(logGroupName=task.log["group"], logStreamName=task.log["stream"])
        except logs.exceptions.ClientError:
            return  # the group was deleted
        self.ship(task, log)

    def _send(self, task: Task, text: str) -> None:
        now = int(time.time() * 1000)
        logs = self._aws.client("logs", region_of(task.arn))
        lines = [line for line in text.split("\n") if line]
        # The group may be deleted while the task runs; the file still has the lines.
        with contextlib.suppress(logs.exceptions.ResourceNotFoundException):
            for first in range(0, len(lines), _EVENTS):
                logs.put_log_events(
                    logGroupName=task.log["group"],
                    logStreamName=task.log["stream"],
                    logEvents=[
                        {"timestamp": now, "message": line}
                        for line in lines[first : first + _EVENTS]
                    ],
                )


def _next(data: bytes, is_last: bool) -> bytes:
    """Return the part of `data` to send now: complete lines, or of a line that is too long whole characters."""
    if len(data) < _LONGEST and is_last:
        return data
    complete = data[: data.rfind(b"\n") + 1]
    if complete or len(data) < _LONGEST:
        return complete
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    decoder.decode(data)
    return data[: len(data) - len(decoder.getstate()[0])]
