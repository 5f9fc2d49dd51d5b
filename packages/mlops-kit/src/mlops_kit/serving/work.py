"""Limits on requests in work: their number, the size of their bodies together, and the number of large ones."""

from __future__ import annotations

import asyncio
from typing import Optional

from fastapi import HTTPException

from .bodies import TOGETHER

# A body of more bytes takes milliseconds: two of these at once keep both the event loop and the model's thread busy.
_LARGE = 65_536
_LARGE_AT_ONCE = 2
# After a large one was refused, the next waits this many times as long as the refusal took: the loop handles others.
_REST = 2


class Work:
    """The requests with complete bodies that have no response yet."""

    def __init__(self, most: int, most_bytes: int) -> None:
        """Take the most requests, and the largest size of a body in bytes."""
        self._most, self._most_bytes = most, TOGETHER * most_bytes
        self._count = self._bytes = 0
        self._turns: Optional[asyncio.Semaphore] = None  # before Python 3.10 it belongs to a loop
        self._rests_until = 0.0  # by the loop's clock

    async def begin(self, size: int) -> None:
        """Count a request whose body has `size` bytes, and wait for its turn if it is large; `end` has to follow.

        Raises:
            HTTPException: There are too many (503).
        """
        if self._count >= self._most or (self._count and self._bytes + size > self._most_bytes):
            detail = f"{self._count} requests are in work already; try again"
            raise HTTPException(503, detail, {"Retry-After": "1"})
        self._count += 1
        self._bytes += size
        if size > _LARGE:
            try:
                await self._turn()
            except asyncio.CancelledError:
                self._forget(size)
                raise

    def refused(self, size: int, seconds: float) -> None:
        """Record the seconds that it took to refuse a request whose body has `size` bytes."""
        if size > _LARGE:
            self._rests_until = asyncio.get_running_loop().time() + _REST * seconds

    def end(self, size: int) -> None:
        """End a request whose body has `size` bytes."""
        self._forget(size)
        if size > _LARGE and self._turns:
            self._turns.release()

    async def _turn(self) -> None:
        self._turns = self._turns or asyncio.Semaphore(_LARGE_AT_ONCE)
        await self._turns.acquire()
        loop = asyncio.get_running_loop()
        try:
            while (left := self._rests_until - loop.time()) > 0:
                await asyncio.sleep(left)
        except asyncio.CancelledError:
            self._turns.release()
            raise

    def _forget(self, size: int) -> None:
        self._count -= 1
        self._bytes -= size
