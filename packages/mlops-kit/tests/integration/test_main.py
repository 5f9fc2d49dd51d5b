"""The command line as a process: its environment, its exit codes and its output."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mlops_kit.core.project import current

ROOT = Path(__file__).parents[4]


@pytest.fixture
def team(tmp_path):
    """A copy of the team's package, and a function that runs a subcommand of it with Python's variables."""
    package = current().package
    shutil.copytree(ROOT / "src" / package, tmp_path / "src" / package)
    shutil.copytree(ROOT / "configs", tmp_path / "configs")

    def run(*words, **variables):
        path = os.pathsep.join([str(tmp_path / "src"), *sys.path])
        return subprocess.run(
            [sys.executable, "-m", package, *words],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": path, **variables},
            capture_output=True,
            check=False,
        )

    return tmp_path / "src" / package, run


@pytest.mark.parametrize("words", [("validate",), ("serve", "--check")])
def test_failed_import_does_not_exit_1(team, words, tmp_path):
    _, run = team
    (tmp_path / "src/mlops_kit").mkdir()
    shutil.copytree(ROOT / "packages/mlops-kit/src/mlops_kit/core", tmp_path / "src/mlops_kit/core")
    for name in ("__init__.py", "main.py"):
        shutil.copy(ROOT / "packages/mlops-kit/src/mlops_kit" / name, tmp_path / "src/mlops_kit")
    done = run(*words)
    assert done.returncode == 70
    assert b"Traceback" not in done.stderr
    assert done.stderr.startswith(b"error: unexpected ")


def test_fault_in_the_teams_code_does_not_exit_1(team):
    package, run = team
    (package / "train.py").write_text("def train(:\n")
    done = run("train")
    assert done.returncode == 70
    assert b"train.py, line 1" in done.stderr


def test_a_terminal_that_knows_only_ascii_gets_every_character(team):
    _, run = team
    variables = {"PYTHONIOENCODING": "ascii", "SET": "nothing=≥"}
    done = run("train", **variables)
    assert done.returncode == 2, done.stderr
    done = run("--help", **variables)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.isascii()
