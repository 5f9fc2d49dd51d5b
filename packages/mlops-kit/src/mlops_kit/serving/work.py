"""What the service works at: how many requests at once, how much of them, and the large ones one by one."""

from __future__ import annotations

import asyncio
from typing import Optional

from fastapi import HTTPException

from .bodies import TOGETHER

# Bytes of a body that take milliseconds: so many of these at once keep both the event loop and the model's thread busy.
_LARGE = 65_536
_LARGE_AT_ONCE = 2


class Work:
    """The requests whose bodies are there and that are not answered yet."""

    def __init__(self, most: int, most_bytes: int) -> None:
        """Take how many there may be, and how many bytes one may have."""
        self._most, self._most_bytes = most, TOGETHER * most_bytes
        self._count = self._bytes = 0
        self._turns: Optional[asyncio.Semaphore] = None  # before Python 3.10 it belongs to a loop

    async def begin(self, size: int) -> None:
        """Take one whose body has `size` bytes, when it is its turn; `end` has to follow.

        Raises:
            HTTPException: There are too many already (503).
        """
        if self._count >= self._most or (self._count and self._bytes + size > self._most_bytes):
            detail = f"{self._count} requests are in work already; try again"
            raise HTTPException(503, detail, {"Retry-After": "1"})
        self._count += 1
        self._bytes += size
        if size > _LARGE:
            self._turns = self._turns or asyncio.Semaphore(_LARGE_AT_ONCE)
            try:
                await self._turns.acquire()
            except asyncio.CancelledError:
                self._forget(size)
                raise

    def end(self, size: int) -> None:
        """Give its place back."""
        self._forget(size)
        if size > _LARGE and self._turns:
            self._turns.release()

    def _forget(self, size: int) -> None:
        self._count -= 1
        self._bytes -= size
