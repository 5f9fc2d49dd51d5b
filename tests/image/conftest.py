"""Real containers. `make image-test` tests the image that `make image` built, or IMAGE."""

import json
import os
import uuid
from pathlib import Path

import pytest

from mlops_kit.delivery.image import build, docker

from .containers import HARDENED, Container, run_docker

ROOT = Path(__file__).parents[2]
FIGURES = pytest.StashKey[dict]()


@pytest.fixture(scope="session")
def tested_image():
    """The image under test."""
    docker.require_engine()
    name = os.environ.get("IMAGE") or json.loads((ROOT / build.RECORD).read_text())["tag"]
    return docker.inspect(name)["Id"]


@pytest.fixture(scope="session")
def labels(tested_image):
    return docker.inspect(tested_image)["Config"]["Labels"]


@pytest.fixture(scope="session")
def base_image():
    """The base of the image; the engine may have it in its build cache only."""
    recorded = json.loads((ROOT / build.RECORD).read_text())["base"]
    if run_docker("image", "inspect", recorded).returncode:
        docker.ask("pull", recorded)
    return docker.inspect(recorded)


@pytest.fixture(scope="session")
def card(tested_image):
    """model.json, as it is in the image."""
    read = ("run", "--rm", "--entrypoint", "cat", tested_image, "/app/artifacts/model/model.json")
    return json.loads(docker.ask(*read))


@pytest.fixture(scope="module")
def start(tested_image):
    """Start a hardened container of the service; it is removed at the end."""
    started = []

    def run(*flags: str, of: str = tested_image) -> Container:
        name = f"image-test-{uuid.uuid4().hex[:12]}"
        started.append(name)
        publish = ("--publish", "127.0.0.1::8000")
        docker.ask("run", "--detach", "--name", name, *HARDENED, *publish, *flags, of)
        return Container(name)

    yield run
    for name in started:
        run_docker("rm", "--force", "--volumes", name)


@pytest.fixture(scope="module")
def container(start):
    """One that answers, for tests that leave it as it is."""
    return start().wait_ready()


@pytest.fixture(scope="session")
def figures(request):
    """The measured figures, printed at the end and written to reports/image-test.json."""
    return request.config.stash.setdefault(FIGURES, {})


def pytest_terminal_summary(terminalreporter, config):
    measured = config.stash.get(FIGURES, {})
    if measured:
        report = ROOT / "reports/image-test.json"
        report.parent.mkdir(exist_ok=True)
        report.write_text(json.dumps(measured, indent=2) + "\n")
    for name, value in measured.items():
        terminalreporter.write_line(f"{name}: {value}")
