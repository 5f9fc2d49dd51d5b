"""GitHub's workflows as nektos/act runs them on this machine: real jobs and shells, and small actions of our own (actions/)."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import pytest

ACT = Path(sys.executable).with_name("act")
if not ACT.exists():
    # `make test` in the project's own environment; see the conftest above.
    collect_ignore_glob = ["test_*.py"]

HERE = Path(__file__).parent
LOST = 600  # seconds; a run that takes longer hangs

# Variables of the environment that runs this, which jobs must not see.
_OURS = re.compile(
    r"(GITHUB|RUNNER|MAKE|MFLAGS|PYTHON|PYTEST|COV|AWS|LOCAL|MLFLOW|VIRTUAL_ENV|CI\b)"
)


class Run(NamedTuple):
    """The result of a workflow."""

    jobs: dict[str, str]  # how each job ended; one that was skipped is not there
    calls: list[str]  # "JOB: make …", in their order
    output: str  # what all jobs printed
    artifacts: Path


def pinned_actions(repository: Path) -> dict[str, str]:
    """Return which folder stands in for each action that the workflows name."""
    texts = [path.read_text() for path in (repository / ".github/workflows").glob("*.yml")]
    found = {
        each for text in texts for each in re.findall(r"uses: ([\w./-]+@[0-9a-f]{40})\b", text)
    }
    return {each: str(HERE / "actions" / each.partition("@")[0]) for each in found}


def options(name: str, values: dict[str, str]) -> Iterable[str]:
    for key, value in values.items():
        yield from (f"--{name}", f"{key}={value}")


def read(lines: str) -> tuple[dict[str, str], list[str], str]:
    """Return from act's log how jobs ended, which make commands ran, and what was printed."""
    jobs: dict[str, str] = {}
    calls, output = [], []
    for entry in map(json.loads, filter(None, lines.splitlines())):
        job = entry.get("jobID", "")
        if (
            "jobResult" in entry and jobs.get(job) != "failure"
        ):  # one failure of a matrix is the job's
            jobs[job] = entry["jobResult"]
        if "stepResult" in entry and entry["step"].startswith("make "):
            calls.append(f"{job}: {entry['step']}")
        output.append(entry["msg"])
    return jobs, calls, "\n".join(output)


@pytest.fixture
def act(tmp_path, nobodys_settings) -> Callable[..., Run]:
    """A function that runs a workflow of a repository for an event: `inputs`, `secrets` and variables as GitHub has them."""
    count = iter(range(100))

    def run(
        repository: Path,
        event: str,
        workflow: str,
        inputs: dict[str, str] | None = None,
        variables: dict[str, str] | None = None,
        secrets: dict[str, str] | None = None,
        payload: dict | None = None,
        **env: str,
    ) -> Run:
        folder = tmp_path / f"run-{next(count)}"
        artifacts = folder / "artifacts"
        artifacts.mkdir(parents=True)
        (folder / "event.json").write_text(json.dumps({**(payload or {}), "inputs": inputs or {}}))
        stand_ins = {
            "STAND_IN_ARTIFACTS": str(artifacts),
            "STAND_IN_ENVIRONMENT": "",
            "STAND_IN_PYTHON": str(Path(sys.executable).resolve()),
            "STAND_IN_REPOSITORY": str(repository),
        }
        command = [
            *(str(ACT), event, "--json", "--workflows", f".github/workflows/{workflow}"),
            *("--platform", "ubuntu-24.04=-self-hosted", "--no-skip-checkout", "--pull=false"),
            *("--no-cache-server", "--action-cache-path", str(folder / "act")),
            *("--eventpath", str(folder / "event.json"), "--matrix", "python:3.14"),
            *options("local-repository", pinned_actions(repository)),
            *options("var", variables or {}),
            *options("secret", secrets or {}),
        ]
        kept = {name: value for name, value in os.environ.items() if not _OURS.match(name)}
        done = subprocess.run(
            command,
            cwd=repository,
            env={**kept, **stand_ins, **env},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            timeout=LOST,
        )
        jobs, calls, output = read(done.stdout)
        print(output, done.stderr)
        assert done.returncode == int("failure" in jobs.values()), done.stderr
        return Run(jobs, calls, output, artifacts)

    return run


@pytest.fixture(scope="module")
def dry(template, git, tmp_path_factory) -> Path:
    """The template's repository with targets that only print their call: Makefile.dry."""
    folder = tmp_path_factory.mktemp("dry") / "repository"
    git(folder.parent, "clone", "--quiet", str(template), str(folder))
    shutil.copy(HERE / "Makefile.dry", folder / "Makefile")
    git(folder, "commit", "--quiet", "--all", "--message", "Only print calls")
    git(folder, "remote", "set-url", "origin", "https://github.com/team/churn.git")
    return folder
