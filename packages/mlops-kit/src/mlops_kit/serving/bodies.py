"""Reading the bodies of requests, with limits on the size of each and on the memory of all incomplete ones."""

from __future__ import annotations

import asyncio
from typing import Union

from fastapi import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import Receive

Body = Union[bytes, bytearray]

TOGETHER = 16  # this many bodies of the largest size may be incomplete at once, and as many in work


class _Arriving:
    """A body that is received in parts."""

    def __init__(self) -> None:
        self.task = asyncio.current_task()
        self.body = bytearray()
        self.is_dropped = False


class Bodies:
    """Reads bodies; where incomplete ones take too much memory, the oldest is dropped."""

    def __init__(self, most: int) -> None:
        """Take the largest accepted size of a body, in bytes."""
        self._most = most
        self._arriving: dict[_Arriving, None] = {}
        self._bytes = 0

    async def read(self, receive: Receive) -> Body:
        """Return a request's body.

        Raises:
            HTTPException: It is too large (413), or was dropped (503).
            ClientDisconnect: The client disconnected.
        """
        part, is_last = await self._part(receive, 0)
        if is_last:  # the usual case
            return part
        arriving = _Arriving()
        self._arriving[arriving] = None
        try:
            self._add(arriving, part)
            while not is_last:
                part, is_last = await self._part(receive, len(arriving.body))
                self._add(arriving, part)
        except asyncio.CancelledError:
            if not arriving.is_dropped:
                raise
            raise _dropped_error() from None
        finally:
            self._forget(arriving)
        return arriving.body

    async def _part(self, receive: Receive, before: int) -> tuple[bytes, bool]:
        message = await receive()
        if message["type"] != "http.request":
            raise ClientDisconnect()
        part: bytes = message.get("body", b"")
        if before + len(part) > self._most:
            raise HTTPException(413, f"the body is larger than {self._most} bytes")
        return part, not message.get("more_body", False)

    def _add(self, arriving: _Arriving, part: bytes) -> None:
        arriving.body += part
        self._bytes += len(part)
        while self._bytes > TOGETHER * self._most:
            first = next(iter(self._arriving))
            self._forget(first)
            if first is arriving:
                raise _dropped_error()
            first.is_dropped = True
            if first.task:
                first.task.cancel()

    def _forget(self, arriving: _Arriving) -> None:
        if arriving in self._arriving:
            del self._arriving[arriving]
            self._bytes -= len(arriving.body)


def _dropped_error() -> HTTPException:
    detail = "too many large bodies are on their way; try again"
    return HTTPException(503, detail, {"Retry-After": "1"})
