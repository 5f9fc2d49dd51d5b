"""What all tests share: an empty checkout to work in, and its settings."""

import shutil
from pathlib import Path

import pytest
import yaml

from mlops_kit.core import project
from mlops_kit.experiments.settings import TrainConfig, load_train

from ml_template.__main__ import PROJECT

project.use(PROJECT)

ROOT = Path(__file__).parents[3]

# What a user may set; a test sets what it is about.
VARIABLES = (
    "ACCELERATOR",
    "API_KEY",
    "AUTO_APPROVE",
    "CONFIG",
    "CONFIRM",
    "DASK_SCHEDULER",
    "DATA",
    "DEBUG",
    "DEPLOY_SET",
    "ENV",
    "GITHUB_API_URL",
    "GITHUB_REPOSITORY",
    "GITHUB_TOKEN",
    "HOST",
    "IMAGE_TAG",
    "MAIL_FROM",
    "MAIL_TO",
    "MLFLOW_TRACKING_URI",
    "MODEL",
    "MODEL_DIR",
    "MONITOR_SET",
    "OUT",
    "PORT",
    "PREVIOUS_STATUS",
    "REASON",
    "RELEASE",
    "RESUME",
    "RUN_ID",
    "SEARCH_SET",
    "SERVE_SET",
    "SET",
    "SLACK_WEBHOOK_URL",
    "SMTP_URL",
    "STATUS",
    "SUMMARY",
    "SUPERSEDE",
    "TERRAFORM",
    "TO",
    "WHAT",
)


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A fresh folder with the configs and the lock, as the current directory; no service is named."""
    shutil.copytree(ROOT / "configs", tmp_path / "configs")
    shutil.copy(ROOT / "requirements.txt", tmp_path)
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def settings():
    """A function from `"key=value …"` overrides to a config that starts from the smallest one."""
    base = {
        "experiment": "e",
        "registered_model": "m",
        "task": "classification",
        "data": {"source": "data.csv", "target": "y"},
        "validation": {"metric": "accuracy"},
    }

    def make(overrides: str = "") -> TrainConfig:
        Path("settings.yaml").write_text(yaml.safe_dump(base))
        return load_train(Path("settings.yaml"), overrides)

    return make
