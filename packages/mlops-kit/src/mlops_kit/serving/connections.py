"""What connections may take, which uvicorn does not bound: their number, a head, what is sent ahead, an answer nobody reads.

A connection owes something while its head or body has not come whole, or its answer waits to be read. Who owes longest
makes room for others, then who has been idle longest; whoever is answered meanwhile stays.
"""

from __future__ import annotations

import asyncio
import resource
from collections import Counter, OrderedDict
from typing import Optional, Protocol

from .logs import log
from .metrics import Measures

_OF_OPEN_FILES = 0.75  # connections that came at one moment are open before they are looked at

_SWEEP_SECONDS = 1
_SECONDS_BETWEEN_LINES = 10


class Connection(Protocol):
    """What is to be known of one, which is protocol.Bounded."""

    loop: asyncio.AbstractEventLoop
    client: Optional[tuple[str, int]]
    transport: asyncio.Transport

    def abort(self) -> None:
        """End it without a word."""

    def is_late(self) -> None:
        """End it, because it has owed something for too long."""


class Connections:
    """All open connections of a service, who of them owes something, and what was refused."""

    def __init__(self, most: int, seconds: float, measures: Measures) -> None:
        """Take how many may be open, for how long one may owe something, and where to count what is refused."""
        files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        self._most = most if files < 0 else min(most, int(_OF_OPEN_FILES * files))
        # A second later than the service itself, which answers a late body.
        self._seconds, self._measures = seconds + 1, measures
        self._open: set[Connection] = set()
        self._owing: OrderedDict[Connection, float] = OrderedDict()  # the longest first
        self._idle: OrderedDict[Connection, None] = OrderedDict()
        self._unlogged: Counter[str] = Counter()
        self._last: dict[str, Optional[str]] = {}  # address by reason
        self._next_line: dict[str, float] = {}
        self._is_sweeping = False

    def add(self, one: Connection) -> None:
        """Take one that was opened; another is closed for it where they are too many."""
        if len(self._open) >= self._most:
            crowd = self._owing or self._idle
            victim = next(iter(crowd)) if crowd else one
            self.refused(victim, "too many connections")
            victim.abort()
            self.remove(victim)
        if not one.transport.is_closing():
            self._open.add(one)
            self.owes(one)
        self._sweep_later(one.loop)

    def remove(self, one: Connection) -> None:
        """Forget one that was closed."""
        self._open.discard(one)
        self.works(one)

    def owes(self, one: Connection) -> None:
        """Note that the client has to send, or read, before anything goes on."""
        if one in self._open:
            self._idle.pop(one, None)
            self._owing.setdefault(one, one.loop.time())

    def works(self, one: Connection) -> None:
        """Note that the service has to answer."""
        self._owing.pop(one, None)
        self._idle.pop(one, None)

    def rests(self, one: Connection) -> None:
        """Note that neither waits for the other."""
        self._owing.pop(one, None)
        if one in self._open:
            self._idle[one] = None

    def refused(self, one: Connection, reason: str) -> None:
        """Count one more; a line tells of it soon, but of each reason only one in ten seconds."""
        self._measures.refused.labels(reason).inc()
        self._unlogged[reason] += 1
        self._last[reason] = one.client[0] if one.client else None

    def _sweep_later(self, loop: asyncio.AbstractEventLoop) -> None:
        if not self._is_sweeping:
            self._is_sweeping = True
            loop.call_later(_SWEEP_SECONDS, self._sweep, loop)

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        while self._owing:
            one, since = next(iter(self._owing.items()))
            if now - since < self._seconds:
                break
            self.works(one)
            one.is_late()
        for reason in [each for each in self._unlogged if self._next_line.get(each, 0) <= now]:
            count, last = self._unlogged.pop(reason), self._last[reason]
            log("warning", "refused", reason=reason, count=count, last_client=last)
            self._next_line[reason] = now + _SECONDS_BETWEEN_LINES
        self._is_sweeping = False
        if self._open or self._unlogged:
            self._sweep_later(loop)
