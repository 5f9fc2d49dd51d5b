"""The other clients: what one bad client must not spoil for them."""

from __future__ import annotations

import asyncio
import statistics
import time

CLIENTS = 4
EVERY = 0.02  # seconds between two requests of one client
HEALTH_EVERY = 0.25


class Others:
    """Asks for predictions over kept connections, and for /healthz over a new one each time, as probes do."""

    def __init__(self, port: int, row_body: bytes) -> None:
        self.port = port
        self.milliseconds: list[float] = []
        self.lost: list[str] = []
        self.healthy = 0
        head = f"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: {len(row_body)}\r\n\r\n"
        self._request = head.encode() + row_body

    async def ask(self, until: float) -> None:
        await asyncio.gather(*(self._client(until) for _ in range(CLIENTS)), self._health(until))

    def quantile(self, hundredth: int) -> float:
        return statistics.quantiles(self.milliseconds, n=100)[hundredth - 1]

    async def _client(self, until: float) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        while time.monotonic() < until:
            start = time.perf_counter()
            try:
                await self._once(reader, writer, self._request)
            except (OSError, EOFError, asyncio.TimeoutError, ValueError) as error:
                self.lost.append(f"/predict: {error!r}")
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            self.milliseconds.append(1000 * (time.perf_counter() - start))
            await asyncio.sleep(EVERY)
        writer.close()

    async def _health(self, until: float) -> None:
        request = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        while time.monotonic() < until:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
                await self._once(reader, writer, request)
                self.healthy += 1
                writer.close()
            except (OSError, EOFError, asyncio.TimeoutError, ValueError) as error:
                self.lost.append(f"/healthz: {error!r}")
            await asyncio.sleep(HEALTH_EVERY)

    async def _once(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes
    ) -> None:
        writer.write(request)
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        await reader.readexactly(length)
        if not head.startswith(b"HTTP/1.1 200"):
            raise ValueError(head.splitlines()[0].decode())


def alone(port: int, row_body: bytes, seconds: float) -> Others:
    """Send requests for so long; return the results."""
    others = Others(port, row_body)
    asyncio.run(others.ask(time.monotonic() + seconds))
    return others
