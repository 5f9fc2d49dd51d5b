"""Ask one HTTP server the same thing over and over, on kept connections, and print what that took as JSON.

    python http_load.py PORT PATH BODY_FILE CONNECTIONS SECONDS

An empty body file makes it a GET. Every answer is read whole; anything but 200 ends the run.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import time
from pathlib import Path

import uvloop

WARM_UP = 0.2  # of the seconds; not counted


class Client(asyncio.Protocol):
    """One connection: sends the next request when the last one has been answered."""

    def __init__(self, request: bytes, until: float, seconds: list[tuple[float, float]]) -> None:
        self.request, self.until, self.seconds = request, until, seconds
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.answer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.ask()

    def ask(self) -> None:
        self.started = time.perf_counter()
        self.transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        self.answer += data
        head, end, body = self.answer.partition(b"\r\n\r\n")
        if not end or len(body) < length(head):
            return
        if not head.startswith(b"HTTP/1.1 200"):
            self.fail(head.splitlines()[0].decode() + " " + body[:300].decode())
            return
        now = time.perf_counter()
        self.seconds.append((now, now - self.started))
        self.answer = b""
        if now < self.until:
            self.ask()
        else:
            self.done.set_result(None)
            self.transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.fail(f"connection lost: {error}")

    def fail(self, reason: str) -> None:
        if not self.done.done():
            self.done.set_exception(SystemExit(f"error: {reason}"))


def length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    raise SystemExit("error: an answer without Content-Length")


async def load(port: int, path: str, body: bytes, connections: int, seconds: float) -> dict:
    request = f"{'POST' if body else 'GET'} {path} HTTP/1.1\r\nHost: localhost\r\n"
    if body:
        request += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    start = time.perf_counter()
    taken: list[tuple[float, float]] = []
    loop, clients = asyncio.get_running_loop(), []
    for _ in range(connections):
        sends = (request + "\r\n").encode() + body
        _, client = await loop.create_connection(
            lambda sends=sends: Client(sends, start + seconds, taken), "127.0.0.1", port
        )
        clients.append(client.done)
    await asyncio.gather(*clients)
    begin = start + WARM_UP * seconds
    counted = [each for end, each in taken if end - each >= begin]
    if len(counted) < 2:
        raise SystemExit(f"error: {len(counted)} answers in {seconds} s are too few")
    hundredths = statistics.quantiles(counted, n=100)
    return {
        "requests": len(counted),
        "per_second": len(counted) / (max(end for end, _ in taken) - begin),
        "p50_ms": 1000 * hundredths[49],
        "p99_ms": 1000 * hundredths[98],
    }


if __name__ == "__main__":
    port, path, body_file, connections, seconds = sys.argv[1:]
    uvloop.install()
    body = Path(body_file).read_bytes()
    print(json.dumps(asyncio.run(load(int(port), path, body, int(connections), float(seconds)))))
