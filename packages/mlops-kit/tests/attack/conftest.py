"""What the attacks share: an exported model, and its service under limits of memory and descriptors."""

import contextlib
import json
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest

from ml_template.__main__ import PROJECT

from .cage import MIB, Cage, caged, peak

ROOT = Path(__file__).parents[4]
PATIENCE = 60
MEMORY = 256 * MIB  # as docker/compose.yaml gives it
DESCRIPTORS = 1024


class Caged(NamedTuple):
    """A running service: its process, its cage, its port, and the file that holds its log."""

    process: subprocess.Popen
    cage: Cage
    port: int
    log_file: Path

    def lines(self) -> list[dict]:
        return [json.loads(line) for line in self.log_file.read_bytes().splitlines()]

    def peak(self) -> int:
        return peak(self.process.pid)


@pytest.fixture(scope="session")
def row_file(exported_checkout):
    return exported_checkout / "artifacts/model/example.json"


@pytest.fixture
def service(exported_checkout, environment, tmp_path):
    """A function that starts the service; keywords are environment variables, `start` its Python's arguments."""
    with contextlib.ExitStack() as running:

        def started(*start: str, **variables: str) -> Caged:
            log = tmp_path / "log"
            arguments = start or ("-m", PROJECT.package, "serve")
            command = shlex.join([sys.executable, *arguments])
            own = environment(PORT="0", **variables)
            process, cage = running.enter_context(
                caged(command, MEMORY, DESCRIPTORS, exported_checkout, own, log)
            )
            deadline = time.monotonic() + PATIENCE
            while not log.read_bytes().endswith(b"\n"):
                assert process.poll() is None, f"the service ended: {log.read_text()}"
                assert time.monotonic() < deadline, "the service did not start"
                time.sleep(0.05)
            first = json.loads(log.read_bytes().splitlines()[0])
            return Caged(process, cage, urlsplit(first["url"]).port, log)

        yield started
