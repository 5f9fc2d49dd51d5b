"""Shared by the tests: the project, and an empty checkout to work in."""

import os
import shutil
import signal
import sys
from pathlib import Path

import pytest

from mlops_kit.core import project
from mlops_kit.experiments.settings import TRAIN, load_train
from mlops_kit.main import run

from ml_template.__main__ import PROJECT

ROOT = Path(__file__).parents[1]

# Overrides of configs/train.yaml for these tests, as in `make train SET="key=value …"`. If your data is large, or out of
# reach of your CI system, commit a small sample of it: SET = "data.source=tests/sample.csv"
SET = ""

# The folders that `data.source` and SET may name, beside configs/; add yours.
FOLDERS = ("data", "tests")

# Whether the model meets its thresholds is decided by `make validate`, not by a test.
NO_THRESHOLDS = "validation.thresholds={} validation.slices= validation.prediction_ms=10000"

# A user's own settings do not reach the tests.
VARIABLES = (
    *("ACCELERATOR", "API_KEY", "CONFIG", "DASK_SCHEDULER", "DEBUG", "HOST"),
    *("MLFLOW_TRACKING_URI", "MODEL", "MODEL_DIR", "PORT", "RELEASE", "SERVE_SET"),
)

project.use(PROJECT)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A folder with the configs, the lock and the data, as the current directory; no runs and no models yet."""
    folder = tmp_path_factory.mktemp("checkout")
    shutil.copytree(ROOT / "configs", folder / "configs")
    shutil.copy(ROOT / "requirements.txt", folder)
    for name in FOLDERS:
        (folder / name).symlink_to(ROOT / name)
    with pytest.MonkeyPatch.context() as patch:
        for variable in VARIABLES:
            patch.delenv(variable, raising=False)
        patch.setenv("SET", SET)
        patch.chdir(folder)
        yield folder


@pytest.fixture(scope="module")
def config(checkout):
    """The settings of configs/train.yaml."""
    return load_train(TRAIN, SET)


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
