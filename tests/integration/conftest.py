"""What the integration tests share: a checkout with a small config, and the command line in it."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from ml_template import __main__ as command_line
from ml_template import tracking

CONFIG = """\
experiment: churn
registered_model: churn
task: classification
data: {source: "sklearn:breast_cancer", target: target}
model: {kind: linear, params: {max_iter: 1000}}
validation: {metric: roc_auc, thresholds: {accuracy: 0.9}}
"""


class Outcome(NamedTuple):
    """What a command left: its exit code and what it printed."""

    code: int
    out: str
    err: str


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory):
    """An embedded store without runs, made once: its migrations take seconds."""
    folder = tmp_path_factory.mktemp("store")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        with tracking.connected():
            pass
    return folder / tracking.STORE


@pytest.fixture
def fresh_project(checkout):
    """The empty checkout with a config that trains quickly; it has no store yet."""
    (checkout / "configs/train.yaml").write_text(CONFIG)
    return checkout


@pytest.fixture
def project(fresh_project, empty_store):
    """The same with an empty store."""
    shutil.copy(empty_store, fresh_project)
    return fresh_project


@pytest.fixture
def command(fresh_project, monkeypatch, capsys):
    """Run one subcommand in this process; keywords are environment variables."""

    def run(name: str, **variables: str) -> Outcome:
        with monkeypatch.context() as patch:
            patch.setattr(sys, "argv", ["make", name])
            for variable, value in variables.items():
                patch.setenv(variable, value)
            with pytest.raises(SystemExit) as stopped:
                command_line.main()
        printed = capsys.readouterr()
        return Outcome(stopped.value.code or 0, printed.out, printed.err)

    return run


@pytest.fixture
def start(fresh_project):
    """Start one subcommand as a process of its own; whatever still runs at the end is killed."""
    started = []

    def popen(name: str) -> subprocess.Popen:
        process = subprocess.Popen(
            [sys.executable, "-m", command_line.__package__, name],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=Path.cwd(),
        )
        started.append(process)
        return process

    yield popen
    for process in started:
        process.kill()
        process.communicate()
