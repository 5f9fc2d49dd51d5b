"""The whole way: from the rows that configs/train.yaml names to a prediction of the running service."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from mlops_kit.core import project
from mlops_kit.main import run

TIMEOUT = 60  # seconds

# Whether the model meets its thresholds is decided by `make validate`, not by a test.
NO_THRESHOLDS = "validation.thresholds={} validation.slices= validation.prediction_ms=10000"


@pytest.fixture
def make(checkout, monkeypatch):
    """A function that runs the subcommand of a make target in this process."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    monkeypatch.setenv("SET", f"{os.environ['SET']} {NO_THRESHOLDS}")

    def run_target(target):
        monkeypatch.setattr(sys, "argv", ["make", target])
        with pytest.raises(SystemExit) as ended:
            run(project.current())
        assert not ended.value.code, f"make {target} failed"

    yield run_target
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.fixture
def serve(checkout):
    """A function that starts the service on a free port and returns its process and address."""
    started = []
    own = {
        "PORT": "0",
        "PYTHONPATH": os.pathsep.join(sys.path),  # make sets it, an editor does not
        "SERVE_SET": "limits.drain_seconds=0",
    }

    def start():
        process = subprocess.Popen(
            [sys.executable, "-m", project.current().package, "serve"],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **own},
        )
        started.append(process)
        return process, json.loads(process.stdout.readline())["url"]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_rows_become_a_served_model(make, serve):
    for target in ("train", "validate", "register", "export"):
        make(target)

    process, url = serve()
    example = Path("artifacts/model/example.json").read_bytes()
    response = requests.post(f"{url}/predict", data=example, timeout=TIMEOUT)
    assert response.status_code == 200, response.text
    [prediction] = response.json()["predictions"]

    model = json.loads(Path("artifacts/model/model.json").read_text(encoding="utf-8"))
    allowed = model["parity"]["tolerance"] * model["parity"]["scale"]
    for key, value in model["golden"][0]["answer"].items():
        assert prediction[key] == pytest.approx(value, abs=allowed)

    process.send_signal(signal.SIGTERM)
    assert process.wait(TIMEOUT) == 0
