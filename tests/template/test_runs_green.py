"""Generated projects do real work: the two commands of their README, with the hardest names there are.

The first project makes its environment as anyone's does. Those after it are moved to the same folder and take it
over, which saves the minute that Python needs to compile everything in a new one.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

STAMP = Path(".venv", ".installed")

# What the environment that runs this would tell the project's own.
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
# (test_links.py). "forty-letters" is left out: "widest" is as long.
@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "gates"),
    [
        ("one-letter", ("format-check", "lint", "type-check", "security")),
        ("unicode", ("quality-gates",)),
        ("widest", ("quality-gates",)),
    ],
)
def test_the_two_commands_pass_under_hard_names(
    generate, template, tmp_path, hard, git, place, name, gates
):
    answers = {**hard[name], "python_versions": "3.10-3.14"}
    project = generate(template, tmp_path, **answers)
    settle(project, place)
    assert f"{project.name} version 1 is now the champion" in run(place, "make", "pipeline")
    run(place, "make", *gates)
    assert git(place, "status", "--porcelain") == ""
