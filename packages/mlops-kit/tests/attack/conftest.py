"""What the attacks share: an exported model, and its service under limits of memory and descriptors."""

import contextlib
import json
import os
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest
import yaml

from ml_template.__main__ import PROJECT

from .cage import MIB, Cage, caged, peak

ROOT = Path(__file__).parents[4]
PATIENCE = 60
MEMORY = 256 * MIB  # as docker/compose.yaml gives it
DESCRIPTORS = 1024
SETTINGS = {
    "experiment": "attack",
    "registered_model": "attack",
    "task": "classification",
    "data": {"source": "sklearn:breast_cancer", "target": "target"},
    "model": {"params": {"max_iter": 20}},
    "validation": {"metric": "accuracy", "prediction_ms": 10_000},
}


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
def model(tmp_path_factory):
    """The checkout of an exported model, made as make does."""
    folder = tmp_path_factory.mktemp("attack")
    (folder / "configs").mkdir()
    (folder / "configs/train.yaml").write_text(yaml.safe_dump(SETTINGS))
    (folder / "requirements.txt").write_bytes((ROOT / "requirements.txt").read_bytes())
    for step in ("train", "validate", "register", "export"):
        subprocess.run(
            [sys.executable, "-m", PROJECT.package, step],
            cwd=folder,
            env=environment(),
            check=True,
            stdout=subprocess.DEVNULL,
        )
    return folder


@pytest.fixture(scope="session")
def row_file(model):
    return model / "artifacts/model/example.json"


@pytest.fixture
def service(model, tmp_path):
    """A function that starts the service; keywords are environment variables, `start` its Python's arguments."""
    with contextlib.ExitStack() as running:

        def started(*start: str, **variables: str) -> Caged:
            log = tmp_path / "log"
            arguments = start or ("-m", PROJECT.package, "serve")
            command = shlex.join([sys.executable, *arguments])
            own = environment(PORT="0", **variables)
            process, cage = running.enter_context(
                caged(command, MEMORY, DESCRIPTORS, model, own, log)
            )
            deadline = time.monotonic() + PATIENCE
            while not log.read_bytes().endswith(b"\n"):
                assert process.poll() is None, f"the service ended: {log.read_text()}"
                assert time.monotonic() < deadline, "the service did not start"
                time.sleep(0.05)
            first = json.loads(log.read_bytes().splitlines()[0])
            return Caged(process, cage, urlsplit(first["url"]).port, log)

        yield started


def environment(**more: str) -> dict[str, str]:
    own = ("API_KEY", "CONFIG", "HOST", "MLFLOW_TRACKING_URI", "MODEL", "MODEL_DIR", "PORT", "SET")
    kept = {key: value for key, value in os.environ.items() if key not in (*own, "SERVE_SET")}
    return {**kept, **more}
