"""The whole way to a service: a model that was trained, registered and exported gives its golden prediction over HTTP."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from mlops_kit.core import project

TIMEOUT = 60  # seconds


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


def test_registered_model_is_served(make, serve):
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
