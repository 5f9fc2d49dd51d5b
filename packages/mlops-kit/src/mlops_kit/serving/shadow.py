"""The challenger in shadow: it answers what the champion has answered, in a process of its own, and no user sees it.

A thread that shares the interpreter with the service could starve or crash it. So this thread only hands on bytes, from a
queue with bounds; the model runs in `challenger.py`, behind everybody else on the processor and with its own memory.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess  # nosec B404 # the service's own command
import sys
import threading
import time
from collections import deque
from contextlib import suppress
from typing import Any, NamedTuple, Optional

from mlops_kit.core import project

from .challenger import OPTION, Answered
from .logs import log
from .metrics import Measures

_MOST_BYTES = 8 * 2**20  # of requests that wait
_MOST_AT_ONCE = 2**20  # bytes of requests handed on together
_SECONDS = 0.02  # between two looks at what waits
_NICENESS = 19  # behind all others
_LONGEST_PAUSE = 60  # seconds before a challenger that ended is started again


class _Request(NamedTuple):
    request_id: str
    rows: int
    answer: bytes
    body: bytes


class Shadow:
    """Hands requests and the champion's answers to the challenger, and counts what it makes of them."""

    def __init__(self, measures: Measures) -> None:
        """Take where to count; the thread begins with `start`."""
        self._measures = measures
        self._waiting: deque[_Request] = deque()
        self._taken = self._handed_on = (
            0  # bytes; two counters, because two threads must not add to one
        )
        self._ended = threading.Event()
        self._process: Optional[_Process] = None
        self._pause, self._starts_at = 1.0, 0.0
        self._thread = threading.Thread(target=self._run, name="shadow", daemon=True)

    def start(self) -> None:
        """Begin to hand on."""
        self._thread.start()

    def offer(self, request_id: str, rows: int, answer: bytes, body: bytes) -> None:
        """Take a request of so many rows and its answer, or drop it where too much waits; never waits itself."""
        size = len(answer) + len(body)
        if self._taken - self._handed_on + size > _MOST_BYTES:
            self._measures.challenged("dropped", rows)
            return
        self._taken += size
        self._waiting.append(_Request(request_id, rows, answer, body))

    def close(self) -> None:
        """End; what waits is forgotten, and a challenger that does not end is killed."""
        self._ended.set()
        if self._process:
            self._process.end()
        self._thread.join()

    def _run(self) -> None:
        # Looking now and then costs less than waking this thread at every request.
        while not self._ended.wait(_SECONDS):
            self._start_process()
            if self._process and self._waiting:
                self._hand_on(self._next())
        if self._process:
            self._process.end()

    def _start_process(self) -> None:
        """Start the challenger where it does not run and its pause is over; they grow where it ends again and again."""
        if self._process is None and time.monotonic() >= self._starts_at:
            self._process = _Process()

    def _next(self) -> list[_Request]:
        taken, size = [], 0
        while self._waiting and size < _MOST_AT_ONCE:
            taken.append(self._waiting.popleft())
            size += len(taken[-1].answer) + len(taken[-1].body)
        self._handed_on += size
        return taken

    def _hand_on(self, requests: list[_Request]) -> None:
        rows = sum(one.rows for one in requests)
        try:
            answered = self._process.ask(requests) if self._process else None
        except (OSError, ValueError) as error:  # it has ended, on its own or by a limit
            if not self._ended.is_set():
                self._gone(error)
            answered = None
        if answered is None:
            self._measures.challenged("failed", rows)
            return
        self._pause = 1.0
        self._measures.challenged("answered", answered.rows)
        self._measures.challenged("failed", answered.failed)
        self._measures.challenger_differs.inc(answered.differ)
        self._measures.add_records(answered.records)
        for label, count in answered.classes.items():
            self._measures.challenger_classes.labels(label).inc(count)
        for seconds in answered.seconds:
            self._measures.challenger_seconds.observe(seconds)

    def _gone(self, error: Exception) -> None:
        code = self._process.end() if self._process else None
        self._process, self._starts_at = None, time.monotonic() + self._pause
        log("error", "challenger ended", code=code, error=str(error), again_after=self._pause)
        self._pause = min(2 * self._pause, _LONGEST_PAUSE)


class _Process:
    """A running challenger, and the socket that is its standard input."""

    def __init__(self) -> None:
        self._socket, its = socket.socketpair()
        command = [sys.executable, "-m", project.current().package, "serve", OPTION]
        self._child = subprocess.Popen(command, stdin=its.fileno())  # nosec B603 # our own words
        its.close()
        with suppress(OSError):  # it has ended already
            # At once: it imports for a second before it could stand back by itself.
            os.setpriority(os.PRIO_PROCESS, self._child.pid, _NICENESS)
        self._lines = self._socket.makefile("rb")

    def ask(self, requests: list[_Request]) -> Answered:
        """Send requests with their answers, and return what came of them.

        Raises:
            OSError, ValueError: It has ended.
        """
        head = [(one.request_id, len(one.answer), len(one.body)) for one in requests]
        parts = [part for one in requests for part in (one.answer, one.body)]
        self._socket.sendall(b"".join((json.dumps(head).encode(), b"\n", *parts)))
        found: dict[str, Any] = json.loads(self._lines.readline())
        return Answered(**found)

    def end(self) -> int:
        """Let it end, or kill it, and return its exit code."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        try:
            return self._child.wait(2)
        except subprocess.TimeoutExpired:
            self._child.kill()
            return self._child.wait()
