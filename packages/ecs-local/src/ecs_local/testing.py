"""An emulator for tests: a process on ports of its own."""

from __future__ import annotations

import os
import signal
import subprocess  # nosec B404 # the emulator itself; no shell is involved
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Optional, TypeVar

import boto3
import requests
from botocore.config import Config

from . import running, settings

PATIENCE = 30  # seconds to wait for a condition
# Below the ephemeral ports, or an outgoing connection may take a port before it is used.
_FIRST_PORT, _LAST_PORT = 20000, 32000
_SPREAD = 9000  # ports over which the processes' first ports are spread
_STEP = 30  # ports between those of one process and of the next
_SOURCES = str(Path(__file__).parents[1])
_Some = TypeVar("_Some")


def wait(condition: Callable[[], _Some], what: str = "it", patience: float = PATIENCE) -> _Some:
    """Poll until `condition` returns a true value, and return that; `what` names it in the error.

    Raises:
        TimeoutError: It did not within `patience` seconds.
    """
    end = time.monotonic() + patience
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > end:
            raise TimeoutError(f"{what} did not come within {patience} s")
        time.sleep(0.03)


def three_free_ports() -> int:
    """Return the first of three consecutive free ports; processes begin at different ports.

    Raises:
        RuntimeError: No three ports in a row are free.
    """
    begin = _FIRST_PORT + (_STEP * os.getpid()) % _SPREAD
    for first in range(begin, _LAST_PORT, 3):
        if all(settings.is_free(port) for port in range(first, first + 3)):
            return first
    raise RuntimeError("no three free ports in a row")


class Emulator:
    """An emulator: `start` it, then use `client`, `fault` and `clear`; `stop` ends it cleanly, `kill` by SIGKILL."""

    def __init__(self, folder: Path, minute: float = 0.5, region: str = "eu-central-1") -> None:
        """Take the folder of its state; a minute of ECS takes `minute` seconds."""
        self.folder = folder
        self.region = region
        self.port = three_free_ports()
        self.url, self.production, self.test = (
            f"http://{settings.HOST}:{port}" for port in range(self.port, self.port + 3)
        )
        self.variables = {
            **os.environ,
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_DEFAULT_REGION": region,
            "AWS_ENDPOINT_URL": self.url,
            "AWS_SECRET_ACCESS_KEY": "local",  # nosec B105 # the emulator accepts every key
            "LOCAL_DIR": str(folder),
            "LOCAL_MINUTE": str(minute),
            "LOCAL_PORT": str(self.port),
            "PYTHONPATH": os.pathsep.join(filter(None, (_SOURCES, os.environ.get("PYTHONPATH")))),
        }
        self._clients: dict[str, Any] = {}
        self._process: Optional[subprocess.Popen[bytes]] = None

    def command(
        self, *words: str, folder: Optional[Path] = None, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Run `python -m ecs_local WORD…` with this emulator's variables and others, in `folder`."""
        return subprocess.run(  # nosec B603 # a list of arguments, no shell
            [sys.executable, "-m", __package__, *words],
            cwd=folder,
            env={**self.variables, **variables},
            capture_output=True,
            text=True,
            timeout=PATIENCE * 3,
            check=False,
        )

    def start(self) -> Emulator:
        """Start the emulator, and wait until it responds.

        Raises:
            RuntimeError: It ended; the message is its log.
            TimeoutError: It does not respond within 30 s.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "serve.log").open("ab") as log:
            self._process = subprocess.Popen(  # nosec B603 # a list of arguments, no shell
                [sys.executable, "-m", __package__, "serve"],
                env=self.variables,
                stdout=log,
                stderr=log,
            )
        wait(self._is_up, "the emulator")
        return self

    def kill(self) -> None:
        """Kill the process."""
        if self._process:
            self._process.kill()
            self._process.wait()

    def stop(self) -> Optional[int]:
        """End the emulator by SIGTERM, and return the exit code, or None if it was not started."""
        if self._process is None:
            return None
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(PATIENCE)

    def client(self, service: str) -> Any:
        """Return a boto3 client without retries."""
        if service not in self._clients:
            self._clients[service] = boto3.client(
                service,
                region_name=self.region,
                endpoint_url=self.url,
                aws_access_key_id="local",
                aws_secret_access_key="local",  # nosec B106 # the emulator accepts every key
                config=Config(retries={"total_max_attempts": 1}, proxies={}),
            )
        return self._clients[service]

    @property
    def ecs(self) -> Any:
        """The client of ECS."""
        return self.client("ecs")

    def fault(self, kind: str, **details: Any) -> None:
        """Add a fault, like `fault("task", reason="oom", times=1)`; the keys are those of `Faults.add`.

        Raises:
            ValueError: It is invalid.
        """
        order = {"kind": kind, **details}
        answer = requests.post(f"{self.url}/_local/faults", json=order, timeout=PATIENCE)
        if answer.status_code != 201:
            raise ValueError(answer.text)

    def play(self, **answers: str) -> None:
        """Choose undocumented behaviours of AWS (worlds.py), such as alarms_at_start="ignored".

        Raises:
            ValueError: There is no such question or answer.
        """
        chosen = {question.replace("_", "-"): answer for question, answer in answers.items()}
        answer = requests.put(f"{self.url}/_local/worlds", json=chosen, timeout=PATIENCE)
        if not answer.ok:
            raise ValueError(answer.text)

    def clear(self) -> None:
        """Remove all faults."""
        requests.delete(f"{self.url}/_local/faults", timeout=PATIENCE).raise_for_status()

    def _is_up(self) -> bool:
        if self._process and self._process.poll() is not None:
            raise RuntimeError((self.folder / "serve.log").read_text(encoding="utf-8"))
        return running.is_own(settings.Settings(self.port, self.folder.resolve(), 1.0))
