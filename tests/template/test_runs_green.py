"""Generated projects do real work: the two commands of their README, with the hardest names there are."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

# What the environment that runs this would tell the project's own.
OURS = ("VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME", "MAKEFLAGS", "MAKELEVEL", "MFLAGS")


def make(project: Path, *targets: str) -> str:
    """Run make as a user does; the project's environment is its own, filled from uv's cache."""
    env = {name: value for name, value in os.environ.items() if name not in OURS}
    env = {name: value for name, value in env.items() if not name.startswith(("COV", "PYTEST"))}
    done = subprocess.run(
        ["make", *targets],
        cwd=project,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stdout[-20_000:]
    return done.stdout


# "forty-letters" is left out for time: "widest" is as long. So are the default names: that project is the root itself,
# byte for byte (test_links.py), and .ci/run gives both commands there.
@pytest.mark.slow
@pytest.mark.parametrize("name", ["one-letter", "unicode", "widest"])
def test_the_two_commands_pass_under_hard_names(generate, template, tmp_path, hard, git, name):
    answers = {**hard[name], "python_versions": "3.10-3.13"}
    project = generate(template, tmp_path, **answers)
    assert f"{project.name} version 1 is now the champion" in make(project, "pipeline")
    assert "quality gates: all passed" in make(project, "quality-gates")
    assert git(project, "status", "--porcelain") == ""
