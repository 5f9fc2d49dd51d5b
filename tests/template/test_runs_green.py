"""Generated projects do real work: the two commands of their README, in each profile, with the hardest names there are.

The first project makes its environment as anyone's does. Those after it are moved to the same folder and take it
over, which saves the minute that Python needs to compile everything in a new one.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

ROOT = Path(__file__).parents[2]
STAMP = Path(".venv", ".installed")
KIT = Path("packages/mlops-kit")

# Variables of the environment that runs this, which the project must not see.
OURS = (
    *("VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME", "PYTHONDONTWRITEBYTECODE"),
    *("MAKEFLAGS", "MAKELEVEL", "MFLAGS"),
)


def run(project: Path, *command: str, **variables: str) -> str:
    """Run a command as a user does who knows nothing of these tests."""
    env = {name: value for name, value in os.environ.items() if name not in OURS}
    env = {name: value for name, value in env.items() if not name.startswith(("COV", "PYTEST"))}
    done = subprocess.run(
        command,
        cwd=project,
        env={**env, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stdout[-20_000:]
    return done.stdout


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """Where one project after the other is."""
    return tmp_path_factory.mktemp("green") / "project"


def settle(project: Path, place: Path) -> None:
    """Move a project to where the last one was, and let it take over that one's environment."""
    taken_over = (place / STAMP).exists()
    if taken_over:
        (place / ".venv").rename(project / ".venv")
    if place.exists():
        shutil.rmtree(place)
    project.rename(place)
    if taken_over:
        install = (".venv/bin/uv", "pip", "install", "--quiet", "--no-deps", "--editable", ".")
        run(place, *install, VIRTUAL_ENV=".venv")
        (place / STAMP).touch()


# .ci/run does the same for "Churn Radar", and for the default names: that project is the root itself, byte for byte
# (test_links.py). "forty-letters" is left out: "widest" is as long. A service is exported and asked by its own tests.
@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "profile", "ci"),
    [
        ("one-letter", "model", "jenkins"),
        ("unicode", "service", "gitlab"),
        ("widest", "full", "azure"),
    ],
)
def test_the_two_commands_pass(generate, template, tmp_path, hard, git, place, name, profile, ci):
    answers = {**hard[name], "python_versions": "3.10-3.14", "profile": profile, "ci": ci}
    project = generate(template, tmp_path, **answers)
    settle(project, place)
    assert f"{project.name} version 1 is now the champion" in run(place, "make", "pipeline")
    run(place, "make", "quality-gates")
    if profile == "service":
        assert f"{project.name} version 1" in run(place, "make", "export")
    assert git(place, "status", "--porcelain") == ""


@pytest.fixture
def documents():
    """What reads the guides for the kit's own tests."""
    file = ROOT / "packages/mlops-kit/tests/integration/documents.py"
    spec = importlib.util.spec_from_file_location("documents", file)
    module = importlib.util.module_from_spec(spec)
    sys.modules["documents"] = module  # typing looks for it there
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_lightgbm_comes_by_its_guide(generate, template, tmp_path, place, documents):
    settle(generate(template, tmp_path), place)
    for block in documents.blocks("docs/lightgbm-and-xgboost.md"):
        for name, old, new in block.changes:
            text = (place / name).read_text()
            assert text.count(old) == 1, (name, old)
            (place / name).write_text(text.replace(old, new))
        for command in block.commands:
            run(place, "bash", "-c", command)
    card = json.loads((place / "artifacts/model/model.json").read_text())
    assert card["format"] == "onnx"
    run(place, "make", "format-check", "lint", "type-check")
    run(place, ".venv/bin/python", "-m", "pytest", "-q", "tests/test_model.py", "-k", "lightgbm")
    rows = [case["row"] for case in card["golden"]]
    answer = predict(place, "ml_template", rows)
    assert len(answer["predictions"]) == len(rows)


def put_wheel_in_place(project: Path) -> None:
    """Delete the kit's folder, and have the lock name its wheel, from a file."""
    uv = Path(sys.executable).with_name("uv")
    wheels = project / "wheels"
    run(project, str(uv), "build", "--quiet", "--wheel", f"--out-dir={wheels}", str(KIT))
    shutil.rmtree(project / KIT)
    (wheel,) = wheels.glob("*.whl")
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    version = wheel.name.split("-")[1]
    lock = project / "requirements.txt"
    named = f"mlops-kit=={version} \\\n    --hash=sha256:{digest}\n"
    lock.write_text(f"--find-links wheels\n{lock.read_text()}{named}")


def predict(project: Path, package: str, rows: list[dict]) -> dict:
    """Return what the project's service answers to a request."""
    command = [project / ".venv/bin/python", "-m", package, "serve"]
    sources = os.pathsep.join(str(project / folder) for folder in ("src", KIT / "src"))
    env = {**os.environ, "PORT": "0", "PYTHONPATH": sources}
    with subprocess.Popen(command, cwd=project, env=env, stdout=subprocess.PIPE) as service:
        try:
            url = json.loads(service.stdout.readline())["url"]
            body = json.dumps({"rows": rows}).encode()
            request = Request(f"{url}/predict", body, {"Content-Type": "application/json"})
            with urlopen(request, timeout=60) as response:
                return json.load(response)
        finally:
            service.terminate()


@pytest.mark.slow
def test_wheel_in_place_of_the_folder_serves_the_same_project(generate, template, tmp_path, place):
    settle(generate(template, tmp_path, project_name="Churn Radar"), place)
    put_wheel_in_place(place)
    run(place, "make", "pipeline", "export")
    run(place, "make", "kit-check")
    card = json.loads((place / "artifacts/model/model.json").read_text())
    golden = [case["answer"]["probabilities"] for case in card["golden"]]
    answer = predict(place, "churn_radar", [case["row"] for case in card["golden"]])
    assert [given["probabilities"] for given in answer["predictions"]] == [
        pytest.approx(probabilities, abs=card["parity"]["tolerance"]) for probabilities in golden
    ]
    # What ran was the wheel, from its make files on.
    assert not (place / KIT).exists()
    assert (place / ".kit/mlops_kit/make/base.mk").is_file()
