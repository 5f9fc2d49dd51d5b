"""Users on kept connections who ask for predictions all the time, and count every answer.

    python traffic.py URL BODY_FILE CONNECTIONS PAUSE

Each connection waits PAUSE seconds between two requests. Until SIGTERM; then prints as JSON how often each answer was
given, and what was lost: answers other than 200, and requests whose connection broke. Load generators hide such errors,
so this is a client of our own.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit


class Traffic:
    """Connections that ask the same thing again and again."""

    def __init__(self, url: str, body: bytes, pause: float) -> None:
        parts = urlsplit(url)
        self.pause = pause
        self.host, self.port = parts.hostname, parts.port
        head = (
            f"POST /predict HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Type: application/json\r\n"
        )
        self.request = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
        self.answers: Counter[str] = Counter()
        self.lost: Counter[str] = Counter()
        self.stopping = False

    async def connection(self) -> None:
        """Send requests on one connection; a new one only where the old one was closed."""
        while not self.stopping:
            try:
                reader, writer = await asyncio.open_connection(self.host, self.port)
                await self.ask(reader, writer)
                writer.close()
            except (OSError, asyncio.IncompleteReadError) as error:
                self.lost[type(error).__name__] += 1

    async def ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Send requests until the server closes this connection."""
        while not self.stopping:
            writer.write(self.request)
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
            length = int(head.partition("content-length:")[2].split("\r\n")[0])
            body = await reader.readexactly(length)
            status = head.split(" ", 2)[1]
            if status == "200":
                self.answers[body.decode()] += 1
            else:
                self.lost[f"{status} {body[:100].decode()}"] += 1
            if "connection: close" in head:
                return
            if self.pause:
                await asyncio.sleep(self.pause)


async def main(url: str, body_file: str, connections: str, pause: str) -> None:
    traffic = Traffic(url, Path(body_file).read_bytes(), float(pause))

    def stop() -> None:
        traffic.stopping = True

    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop)
    users = [asyncio.create_task(traffic.connection()) for _ in range(int(connections))]
    print("asking", flush=True)
    for user in users:
        await user
    print(json.dumps({"answers": traffic.answers, "lost": traffic.lost}))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
