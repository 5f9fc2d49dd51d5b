"""The probe's limits, against a real HTTP service that is well, slow, ill or silent."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from mlops_kit.delivery.deploy.lock import LockedError
from mlops_kit.delivery.deploy.probe import Check, Probe
from mlops_kit.delivery.deploy.settings import ProbeConfig

from .releases import release

REQUESTS = 100


class Service(ThreadingHTTPServer):
    """Answers every question after `seconds` with `status`, and counts them."""

    seconds, status, asked, marked = 0.0, 200, 0, 0

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.over = threading.Event()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.server.asked += 1
        self.server.marked += "X-Probe" in self.headers
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.over.wait(self.server.seconds)
        body = json.dumps({"predictions": [{"prediction": 1.0}]}).encode()
        with suppress(ConnectionError):  # who asked has gone
            self.send_response(self.server.status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Write nothing."""


@contextmanager
def served(**how: object) -> Iterator[tuple[str, Service]]:
    with Service() as service:
        vars(service).update(how)
        thread = threading.Thread(target=service.serve_forever, args=(0.05,))
        thread.start()
        yield f"http://127.0.0.1:{service.server_port}", service
        service.over.set()
        service.shutdown()
        thread.join()


def limits(url: str, alive=lambda: None, **settings: object) -> Check:
    given = {"requests": REQUESTS, "latency_ms": 5000.0, "attempts": 1, **settings}
    [check] = Probe(ProbeConfig(**given), release(), alive=alive).production(url)
    return check


def test_a_service_that_is_well_is_asked_all_of_it():
    beats = []
    with served() as (url, service):
        check = limits(url, alive=lambda: beats.append(1))
    assert check.passed
    assert (service.asked, service.marked, len(beats)) == (REQUESTS, REQUESTS, REQUESTS)
    assert check.detail.endswith("0 of 100 requests without an answer (at most 0.0%)")


@pytest.mark.parametrize(
    ("how", "settings", "asked"),
    [
        ({"seconds": 5.0}, {"timeout_seconds": 0.2}, 1),
        ({"seconds": 5.0}, {"timeout_seconds": 0.2, "error_rate": 0.02}, 3),
        ({"status": 500}, {"error_rate": 0.05}, 6),
        ({"seconds": 0.05}, {"latency_ms": 20.0}, 6),
    ],
    ids=["silent", "silent, some may be lost", "ill", "slow"],
)
def test_it_ends_as_soon_as_nothing_can_mend_it(how, settings, asked):
    """A version that hangs would else be asked for longer than it bakes, and than the deployer's lock lasts."""
    with served(**how) as (url, service):
        check = limits(url, **settings)
    assert not check.passed
    assert check.detail.endswith(f", ended after {asked}")
    assert service.asked == asked


def test_every_attempt_is_made():
    with served(status=500) as (url, service):
        assert not limits(url, attempts=2).passed
    assert service.asked == 2


def test_lost_lock_stops_the_deployer():
    def lost() -> None:
        raise LockedError("another deployer has taken over the lock of this one")

    with served() as (url, service), pytest.raises(LockedError):
        limits(url, alive=lost)
    assert service.asked == 0
