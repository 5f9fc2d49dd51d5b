"""The challenger in shadow mode: it predicts the champion's requests in a process of its own, and no client sees the result.

In a thread of the service a model could starve or crash it. So the thread here only forwards bytes, from a bounded queue;
the model runs in `challenger.py`, with the lowest CPU priority and a memory limit of its own.
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

_MOST_BYTES = 8 * 2**20  # of queued requests
_MOST_AT_ONCE = 2**20  # bytes of requests that are forwarded together
_SECONDS = 0.02  # between two polls of the queue
_NICENESS = 19  # the lowest priority
_LONGEST_PAUSE = 60  # seconds before a challenger that has ended is restarted


class _Request(NamedTuple):
    request_id: str
    rows: int
    answer: bytes
    body: bytes


class Shadow:
    """Forwards requests and the champion's responses to the challenger, and counts its results."""

    def __init__(self, measures: Measures) -> None:
        """Take the metrics; the thread begins with `start`."""
        self._measures = measures
        self._waiting: deque[_Request] = deque()
        # Bytes; two counters, because two threads must not add to one.
        self._taken = self._handed_on = 0
        self._ended = threading.Event()
        self._process: Optional[_Process] = None
        self._pause, self._starts_at = 1.0, 0.0
        self._thread = threading.Thread(target=self._run, name="shadow", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def offer(self, request_id: str, rows: int, answer: bytes, body: bytes) -> None:
        """Queue a request with `rows` rows and its response, or drop it where the queue is full; never blocks."""
        size = len(answer) + len(body)
        if self._taken - self._handed_on + size > _MOST_BYTES:
            self._measures.challenged("dropped", rows)
            return
        self._taken += size
        self._waiting.append(_Request(request_id, rows, answer, body))

    def close(self) -> None:
        """End the thread and the challenger, which is killed if it does not end; queued requests are discarded."""
        self._ended.set()
        if self._process:
            self._process.end()
        self._thread.join()

    def _run(self) -> None:
        # Polling costs less than waking this thread at every request.
        while not self._ended.wait(_SECONDS):
            self._start_process()
            if self._process and self._waiting:
                self._hand_on(self._next())
        if self._process:
            self._process.end()

    def _start_process(self) -> None:
        """Start the challenger if it is not running and its pause is over; pauses double each time that it ends."""
        if self._process is None and time.monotonic() >= self._starts_at:
            try:
                self._process = _Process()
            except Exception as error:  # too little memory, or too many open files or processes
                self._gone(error)

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
        except Exception as error:  # it has ended, on its own or by a limit; this thread must not
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
        """Start it.

        Raises:
            OSError: There is too little memory, or there are too many open files or processes.
        """
        self._socket, its = socket.socketpair()
        command = [sys.executable, "-m", project.current().package, "serve", OPTION]
        try:
            self._child = subprocess.Popen(command, stdin=its.fileno())  # nosec B603 # it is fixed
        except Exception:
            self._socket.close()
            raise
        finally:
            its.close()
        with suppress(OSError):  # it has ended already
            # From here, because its imports take a second before it could lower its own priority.
            os.setpriority(os.PRIO_PROCESS, self._child.pid, _NICENESS)
        self._lines = self._socket.makefile("rb")

    def ask(self, requests: list[_Request]) -> Answered:
        """Send requests with the champion's responses, and return the counts.

        Raises:
            OSError, ValueError: It has ended.
        """
        head = [(one.request_id, len(one.answer), len(one.body)) for one in requests]
        parts = [part for one in requests for part in (one.answer, one.body)]
        self._socket.sendall(b"".join((json.dumps(head).encode(), b"\n", *parts)))
        found: dict[str, Any] = json.loads(self._lines.readline())
        return Answered(**found)

    def end(self) -> int:
        """Close the socket, wait 2 seconds for the process to end or kill it, and return its exit code."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        try:
            return self._child.wait(2)
        except subprocess.TimeoutExpired:
            self._child.kill()
            return self._child.wait()
