"""HTTP as no client writes it: the service answers or ends the connection, never with 500, and goes on.

A failure prints the seed that draws the same again: FUZZ_SEED=… make attack-test. FUZZ_SECONDS sets for how long (10).
"""

import contextlib
import os
import random
import re
import secrets
import selectors
import socket
import time

import pytest
import requests

from ml_template.__main__ import PROJECT

from .conftest import PATIENCE
from .grammar import case

SEED = int(os.environ.get("FUZZ_SEED") or secrets.randbits(32))
SECONDS = float(os.environ.get("FUZZ_SECONDS") or 10)
AT_ONCE = 200
QUIET_SECONDS = 0.3

# uvicorn's other parser is taken where httptools is not installed.
WITHOUT_HTTPTOOLS = f"""
import runpy, sys
sys.modules["httptools"] = None
sys.argv[1:] = ["serve"]
runpy.run_module("{PROJECT.package}", run_name="__main__")
"""
STARTS = {"httptools": (), "h11": ("-c", WITHOUT_HTTPTOOLS)}
ANSWER = re.compile(rb"HTTP/1\.[01] (\d{3}) [^\r\n]*\r\n")

pytestmark = pytest.mark.slow


def answered(port: int, sent: list[bytes]) -> list[bytes]:
    """Send each on a connection of its own, in two parts and all at once; return what came back until nothing more did."""
    received = [b""] * len(sent)
    with contextlib.ExitStack() as opened, selectors.DefaultSelector() as waiting:
        connections = [
            opened.enter_context(socket.create_connection(("127.0.0.1", port), PATIENCE))
            for _ in sent
        ]
        for half in (slice(None, 50), slice(50, None)):
            for connection, data in zip(connections, sent):
                with contextlib.suppress(ConnectionError):
                    connection.sendall(data[half])
        for number, connection in enumerate(connections):
            waiting.register(connection, selectors.EVENT_READ, number)
        while ready := waiting.select(QUIET_SECONDS):
            for key, _ in ready:
                part = b""
                with contextlib.suppress(ConnectionError):
                    part = key.fileobj.recv(65536)
                received[key.data] += part
                if not part:
                    waiting.unregister(key.fileobj)
    return received


@pytest.mark.parametrize("parser", STARTS)
def test_bent_requests_are_answered_or_disconnected(service, row_file, parser):
    print(f"\nFUZZ_SEED={SEED}")
    running = service(*STARTS[parser], SERVE_SET="limits.seconds=1 limits.body_kilobytes=64")
    draw, body, count = random.Random(SEED), row_file.read_bytes(), 0
    right = requests.post(f"http://127.0.0.1:{running.port}/predict", data=body, timeout=PATIENCE)
    statuses: dict[bytes, int] = {}
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        sent = [case(draw, body) for _ in range(AT_ONCE)]
        for data, came in zip(sent, answered(running.port, sent)):
            assert came == b"" or ANSWER.match(came), (SEED, data, came)
            for status in ANSWER.findall(came):
                statuses[status] = statuses.get(status, 0) + 1
                assert not status.startswith(b"5"), (SEED, data, came)
        count += AT_ONCE
    summary = ", ".join(
        f"{number} × {status.decode()}" for status, number in sorted(statuses.items())
    )
    print(f"{parser}: {count} connections; {summary}")
    again = requests.post(f"http://127.0.0.1:{running.port}/predict", data=body, timeout=PATIENCE)
    assert (right.status_code, again.json()) == (200, right.json())
    assert statuses[b"200"] > 0
    strange = [line for line in running.lines() if line["event"] in ("failed", "library")]
    assert strange == [], (SEED, strange[0])
