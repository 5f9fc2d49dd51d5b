"""The bodies of requests: how large each may be, and how much all that are on their way may take together."""

from __future__ import annotations

import asyncio
from typing import Union

from fastapi import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import Receive

Body = Union[bytes, bytearray]

TOGETHER = 16  # so many of the largest that are accepted may be on their way, and in work


class _Arriving:
    """A body that did not come at once."""

    def __init__(self) -> None:
        self.task = asyncio.current_task()
        self.body = bytearray()
        self.has_given_way = False


class Bodies:
    """Reads bodies; where those on their way take too much, the one that began first gives way."""

    def __init__(self, most: int) -> None:
        """Take how many bytes a body may have."""
        self._most = most
        self._arriving: dict[_Arriving, None] = {}
        self._bytes = 0

    async def read(self, receive: Receive) -> Body:
        """Return a request's body.

        Raises:
            HTTPException: It is too large (413), or had to give way (503).
            ClientDisconnect: The client went away.
        """
        part, is_last = await self._part(receive, 0)
        if is_last:  # as nearly all come
            return part
        arriving = _Arriving()
        self._arriving[arriving] = None
        try:
            self._add(arriving, part)
            while not is_last:
                part, is_last = await self._part(receive, len(arriving.body))
                self._add(arriving, part)
        except asyncio.CancelledError:
            if not arriving.has_given_way:
                raise
            raise _gives_way() from None
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
                raise _gives_way()
            first.has_given_way = True
            if first.task:
                first.task.cancel()

    def _forget(self, arriving: _Arriving) -> None:
        if arriving in self._arriving:
            del self._arriving[arriving]
            self._bytes -= len(arriving.body)


def _gives_way() -> HTTPException:
    detail = "too many large bodies are on their way; try again"
    return HTTPException(503, detail, {"Retry-After": "1"})
