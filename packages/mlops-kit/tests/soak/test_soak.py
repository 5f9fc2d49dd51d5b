"""A soak: many bounded requests over kept connections to the real service. Its memory stays flat, and none is lost.

`make soak` runs it; SOAK_REQUESTS sets their number (default 100000).
"""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from ml_template.__main__ import PROJECT

REQUESTS = int(os.environ.get("SOAK_REQUESTS") or 100_000)
WARM_UP = max(1, REQUESTS // 10)
CONNECTIONS = 16
MOST_GROWTH_MIB = 5  # behind the warm-up, of about a hundred
PATIENCE = 60
ROOT = Path(__file__).parents[4]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not Path("/proc/self/statm").exists(), reason="memory is read from Linux' /proc"
    ),
]


@pytest.fixture
def service(exported_checkout, environment, tmp_path):
    """The service's process and address; its log goes to a file, as nobody reads it."""
    log = tmp_path / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", PROJECT.package, "serve"],
            cwd=exported_checkout,
            env=environment(PORT="0", SERVE_SET="limits.waiting=1000 limits.rows=200"),
            stdout=out,
        )
    deadline = time.monotonic() + PATIENCE
    while not log.read_bytes().endswith(b"\n"):
        assert process.poll() is None, "the service ended"
        assert time.monotonic() < deadline, "the service did not start"
        time.sleep(0.05)
    yield process, json.loads(log.read_bytes().splitlines()[0])["url"]
    process.kill()
    process.wait()


def memory(pid):
    """Return the resident memory of a process in MiB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def mixed(row):
    """Return ten requests, each with the status it must be answered with: most are right, and some are large."""

    def request(body, path="/predict", method="POST"):
        head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
        return head.encode() + body

    def rows(*given):
        return json.dumps({"rows": given}).encode()

    one = request(rows(row))
    return [
        *[(one, 200)] * 4,
        (request(rows(*[row] * 20)), 200),
        (request(rows(*[row] * 150)), 200),
        (request(rows({**row, "unknown": 1})), 422),
        (request(rows(*[row] * 201)), 422),
        (request(b"x" * 5000), 422),
        (request(b"", "/version", "GET"), 200),
    ]


async def ask(url, requests_to_send, statuses, wrong):
    """Send requests over one kept connection until the iterator ends."""
    place = urlsplit(url)
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    for request, expected in requests_to_send:
        writer.write(request)
        await writer.drain()
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE)
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        await reader.readexactly(length)
        status = int(head.split(b" ", 2)[1])
        statuses[status] += 1
        if status != expected:
            wrong.append((expected, status, head))
    writer.close()
    await writer.wait_closed()


async def send(url, pid, kinds, count, samples):
    """Send `count` requests of mixed kinds over all connections; note the memory meanwhile."""
    statuses, wrong, start = Counter(), [], time.monotonic()

    def numbered():
        for number in range(count):
            if number % max(1, count // 20) == 0:
                samples.append(memory(pid))
                rate = number / max(time.monotonic() - start, 1e-9)
                print(
                    f"{number:>8} requests, {rate:5.0f} a second, {samples[-1]:6.1f} MiB",
                    flush=True,
                )
            yield kinds[number % len(kinds)]

    shared = numbered()
    await asyncio.gather(*(ask(url, shared, statuses, wrong) for _ in range(CONNECTIONS)))
    samples.append(memory(pid))
    return statuses, wrong


def test_memory_stays_flat_and_nothing_is_lost(exported_checkout, service):
    process, url = service
    row = json.loads((exported_checkout / "artifacts/model/model.json").read_text())["golden"][0][
        "row"
    ]
    kinds = mixed(row)
    print(f"\nwarm-up: {WARM_UP} requests")
    asyncio.run(send(url, process.pid, kinds, WARM_UP, []))
    print(f"soak: {REQUESTS} requests")
    samples: list[float] = []
    statuses, wrong = asyncio.run(send(url, process.pid, kinds, REQUESTS, samples))
    growth = max(samples[1:]) - samples[0]
    summary = ", ".join(f"{count} × {status}" for status, count in sorted(statuses.items()))
    print(
        f"answered: {summary}; memory {samples[0]:.1f} to {samples[-1]:.1f} MiB, at most {growth:+.1f}"
    )
    assert sum(statuses.values()) == REQUESTS
    assert wrong == []
    assert growth <= MOST_GROWTH_MIB
    assert requests.get(url + "/readyz", timeout=PATIENCE).status_code == 200
    process.terminate()
    assert process.wait(PATIENCE) == 0
