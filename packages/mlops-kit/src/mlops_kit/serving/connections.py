"""Limits on connections that uvicorn lacks: their number, the size of heads, pipelined requests, unread responses.

A connection is pending while its head or body is incomplete, or its response is unread by the client. Over the limit
the connection that is pending longest is closed, then the one that is idle longest; one with a request in work stays.
"""

from __future__ import annotations

import asyncio
import resource
from collections import Counter, OrderedDict
from typing import Optional, Protocol

from .logs import log
from .metrics import Measures

# The share of the limit of open files: connections that arrive at once are open before they are counted.
_OF_OPEN_FILES = 0.75

_SWEEP_SECONDS = 1
_SECONDS_BETWEEN_LINES = 10


class Connection(Protocol):
    """The interface of a connection; protocol.Bounded implements it."""

    loop: asyncio.AbstractEventLoop
    client: Optional[tuple[str, int]]
    transport: asyncio.Transport

    def abort(self) -> None:
        """Close it without a response."""

    def time_out(self) -> None:
        """Close it, because it has been pending for too long."""


class Connections:
    """All open connections of a service, those that are pending, and the number of refused ones."""

    def __init__(self, most: int, seconds: float, measures: Measures) -> None:
        """Take the most open connections, the seconds that one may be pending, and the metrics."""
        files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        self._most = most if files < 0 else min(most, int(_OF_OPEN_FILES * files))
        # A second later than the service itself, which responds to a late body.
        self._seconds, self._measures = seconds + 1, measures
        self._open: set[Connection] = set()
        self._pending: OrderedDict[Connection, float] = OrderedDict()  # the longest first
        self._idle: OrderedDict[Connection, None] = OrderedDict()
        self._unlogged: Counter[str] = Counter()
        self._last: dict[str, Optional[str]] = {}  # address by reason
        self._next_line: dict[str, float] = {}
        self._is_sweeping = False

    def add(self, one: Connection) -> None:
        """Add a new connection; another is closed for it where there are too many."""
        if len(self._open) >= self._most:
            candidates = self._pending or self._idle
            victim = next(iter(candidates)) if candidates else one
            self.refused(victim, "too many connections")
            victim.abort()
            self.remove(victim)
        if not one.transport.is_closing():
            self._open.add(one)
            self.set_pending(one)
        self._sweep_later(one.loop)

    def remove(self, one: Connection) -> None:
        """Remove a closed connection."""
        self._open.discard(one)
        self.set_in_work(one)

    def set_pending(self, one: Connection) -> None:
        """Mark a connection as pending: its client has to send, or read."""
        if one in self._open:
            self._idle.pop(one, None)
            self._pending.setdefault(one, one.loop.time())

    def set_in_work(self, one: Connection) -> None:
        """Mark a connection as in work: the service has to respond."""
        self._pending.pop(one, None)
        self._idle.pop(one, None)

    def set_idle(self, one: Connection) -> None:
        """Mark a connection as idle."""
        self._pending.pop(one, None)
        if one in self._open:
            self._idle[one] = None

    def refused(self, one: Connection, reason: str) -> None:
        """Count a refused connection; the log has a line for each reason, at most every ten seconds."""
        self._measures.refused.labels(reason).inc()
        self._unlogged[reason] += 1
        self._last[reason] = one.client[0] if one.client else None

    def _sweep_later(self, loop: asyncio.AbstractEventLoop) -> None:
        if not self._is_sweeping:
            self._is_sweeping = True
            loop.call_later(_SWEEP_SECONDS, self._sweep, loop)

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        while self._pending:
            one, since = next(iter(self._pending.items()))
            if now - since < self._seconds:
                break
            self.set_in_work(one)
            one.time_out()
        for reason in [each for each in self._unlogged if self._next_line.get(each, 0) <= now]:
            count, last = self._unlogged.pop(reason), self._last[reason]
            log("warning", "refused", reason=reason, count=count, last_client=last)
            self._next_line[reason] = now + _SECONDS_BETWEEN_LINES
        self._is_sweeping = False
        if self._open or self._unlogged:
            self._sweep_later(loop)
