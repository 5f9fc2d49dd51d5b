"""An asyncio transport that sends head and body of a response in one system call, so that the client wakes up once."""

from __future__ import annotations

import asyncio
from typing import Any


class JoinedWrites:
    """Sends all writes of one step of the event loop together; all else is left to the wrapped transport."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        """Take the transport to wrap."""
        self._transport, self._loop = transport, loop
        self._written: list[bytes] = []
        self.is_closing = transport.is_closing

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Send data at the end of this step, or before the transport closes."""
        if not self._written:
            self._loop.call_soon(self._send)
        self._written.append(data)

    def close(self) -> None:
        """Close the transport after all written data is sent."""
        self._send()
        self._transport.close()

    def abort(self) -> None:
        """Close the transport at once."""
        self._written.clear()
        self._transport.abort()

    def _send(self) -> None:
        data = b"".join(self._written)
        self._written.clear()
        if data and not self.is_closing():  # the client may have left since
            self._transport.write(data)
