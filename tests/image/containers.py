"""A container of the service, run as production runs it, and how to wait for it."""

import http.client
import json
import subprocess
import time

from mlops_kit.delivery.image import docker

HARDENED = (
    *("--read-only", "--tmpfs", "/tmp", "--user", "10001:10001"),
    *("--memory", "256m", "--memory-swap", "256m", "--pids-limit", "64"),
    *("--cap-drop", "ALL", "--security-opt", "no-new-privileges"),
)
SECONDS = 60  # for anything that has to happen at all


def run_docker(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)


def eventually(condition, what: str, seconds: float = SECONDS):
    """Return the first true value of `condition`, asked again and again until the deadline."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError(f"not within {seconds} s: {what}")


class Container:
    """A container of the service."""

    def __init__(self, name: str):
        self.name = name

    def inspect(self) -> dict:
        return json.loads(docker.ask("container", "inspect", self.name))[0]

    def state(self) -> dict:
        return self.inspect()["State"]

    def port(self) -> int:
        return int(self.inspect()["NetworkSettings"]["Ports"]["8000/tcp"][0]["HostPort"])

    def request(self, method: str, path: str, body: object = None) -> tuple[int, dict]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port(), timeout=30)
        try:
            content = None if body is None else json.dumps(body)
            connection.request(method, path, content, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def is_ready(self) -> bool:
        try:
            return self.request("GET", "/readyz")[0] == 200
        except (OSError, KeyError, TypeError, http.client.HTTPException):
            return False

    def wait_ready(self) -> "Container":
        def ready_or_ended() -> bool:
            return self.is_ready() or self.state()["Status"] == "exited"

        eventually(ready_or_ended, "GET /readyz answers 200")
        assert self.is_ready(), self.logs()
        return self

    def run(self, *command: str) -> subprocess.CompletedProcess:
        return run_docker("exec", self.name, *command)

    def logs(self) -> str:
        done = run_docker("logs", self.name)
        return done.stdout + done.stderr
