"""Stopping under load, and coming back after a kill."""

import http.client
import json
import threading
import time

import pytest

from .containers import Container, eventually, run_docker

CLIENTS = 8


class Client(threading.Thread):
    """A keep-alive client that goes on until it is asked to leave; every lost request is an error.

    It leaves as a load balancer does: a `Connection: close` is heeded, but the news takes a moment, so
    that one more request comes on a new connection.
    """

    def __init__(self, port: int, body: str, pause: float):
        super().__init__(daemon=True)
        self.port, self.body, self.pause = port, body, pause
        self.answered = 0
        self.connections = 0
        self.errors: list[str] = []

    def run(self):
        try:
            while not self._until_asked_to_leave():
                pass
            self._connect_and_ask()
        except (OSError, http.client.HTTPException) as error:
            self.errors.append(repr(error))

    def _connect(self) -> http.client.HTTPConnection:
        self.connections += 1
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)

    def _until_asked_to_leave(self) -> bool:
        connection = self._connect()
        while not self._ask(connection):
            time.sleep(self.pause)
        connection.close()
        return True

    def _connect_and_ask(self) -> None:
        connection = self._connect()
        assert self._ask(connection)
        connection.close()

    def _ask(self, connection: http.client.HTTPConnection) -> bool:
        """Send one request and read its answer; return whether it is the connection's last."""
        connection.request("POST", "/predict", self.body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        content = answer.read()
        if answer.status != 200 or len(json.loads(content)["predictions"]) < 1:
            self.errors.append(f"{answer.status} {content[:200]!r}")
        self.answered += 1
        return answer.getheader("Connection") == "close"


def test_stopping_under_load_loses_no_request(start, card, figures):
    container = start().wait_ready()
    row = card["golden"][0]["row"]
    few, many = json.dumps({"rows": [row]}), json.dumps({"rows": [row] * 500})
    port = container.port()
    clients = [
        Client(port, many if number == 0 else few, pause=0.01 * (number % 3))
        for number in range(CLIENTS)
    ]
    for client in clients:
        client.start()
    eventually(lambda: all(client.answered >= 20 for client in clients), "all clients are answered")

    begun = time.monotonic()
    done = run_docker("stop", "--time", "30", container.name)
    seconds = time.monotonic() - begun
    for client in clients:
        client.join(timeout=30)

    assert done.returncode == 0
    assert not any(client.is_alive() for client in clients)
    assert [error for client in clients for error in client.errors] == []
    state = container.state()
    assert (state["ExitCode"], state["OOMKilled"]) == (0, False)
    answered = sum(client.answered for client in clients)
    figures["stopped under load"] = (
        f"{answered} requests of {CLIENTS} keep-alive clients, none lost; ended after {seconds:.1f} s"
    )


def test_while_it_drains_it_is_not_ready_but_answers(start, card):
    container = start().wait_ready()
    body = {"rows": [card["golden"][0]["row"]]}
    run_docker("kill", "--signal", "TERM", container.name)
    eventually(lambda: container.request("GET", "/readyz")[0] == 503, "/readyz returns 503", 2)
    assert container.request("POST", "/predict", body)[0] == 200
    eventually(lambda: container.state()["Status"] == "exited", "the container ends")
    assert container.state()["ExitCode"] == 0


def test_it_comes_back_after_it_ran_out_of_memory(start):
    container = start("--restart", "on-failure").wait_ready()
    first = container.state()["StartedAt"]
    since = int(time.time())
    # What lies in a tmpfs counts, but belongs to no process: the kernel can only end the largest, the service.
    run_docker("exec", container.name, "sh", "-c", "cat /dev/zero > /tmp/full")
    eventually(lambda: container.inspect()["RestartCount"] == 1, "the engine starts it again")
    container.wait_ready()
    assert container.state()["StartedAt"] != first
    window = ("--since", str(since), "--until", str(int(time.time()) + 1))
    events = run_docker("events", *window, "--filter", f"container={container.name}").stdout
    assert " container oom " in events
    assert "exitCode=137" in events


@pytest.mark.parametrize("signal", ["TERM", "INT"])
def test_it_ends_at_once_when_nobody_is_there(start, signal):
    container: Container = start("--env", "SERVE_SET=limits.drain_seconds=0").wait_ready()
    begun = time.monotonic()
    run_docker("kill", "--signal", signal, container.name)
    eventually(lambda: container.state()["Status"] == "exited", "the container ends")
    assert time.monotonic() - begun < 5
    assert container.state()["ExitCode"] == 0
