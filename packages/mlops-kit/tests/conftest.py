"""What all tests share: an empty checkout to work in, and its settings; one with an exported model."""

import os
import shutil
import subprocess
import sys
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
    "DATABASE_URL",
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

# Of a model that is there to be asked.
SMALL = {
    "experiment": "small",
    "registered_model": "small",
    "task": "classification",
    "data": {"source": "sklearn:breast_cancer", "target": "target"},
    "model": {"params": {"max_iter": 20}},
    "validation": {"metric": "accuracy", "prediction_ms": 10_000},
}


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A fresh folder with the configs and the lock, as the current directory; no service is named."""
    shutil.copytree(ROOT / "configs", tmp_path / "configs")
    shutil.copy(ROOT / "requirements.txt", tmp_path)
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def environment():
    """A function from keywords to the environment of a command: these, and nothing else that a user may set."""

    def make(**more: str) -> dict[str, str]:
        return {**{key: os.environ[key] for key in os.environ if key not in VARIABLES}, **more}

    return make


@pytest.fixture(scope="session")
def exported_checkout(tmp_path_factory, environment):
    """The checkout of an exported model, made as make does."""
    folder = tmp_path_factory.mktemp("exported")
    (folder / "configs").mkdir()
    (folder / "configs/train.yaml").write_text(yaml.safe_dump(SMALL))
    shutil.copy(ROOT / "requirements.txt", folder)
    for step in ("pipeline", "export"):
        subprocess.run(
            [sys.executable, "-m", PROJECT.package, step],
            cwd=folder,
            env=environment(),
            check=True,
        )
    return folder


@pytest.fixture
def settings(checkout):
    """A function from `"key=value …"` overrides to a config that starts from the smallest one."""
    base = {
        "experiment": "e",
        "registered_model": "m",
        "task": "classification",
        "data": {"source": "data.csv", "target": "y"},
        "validation": {"metric": "accuracy"},
    }

    def make(overrides: str = "") -> TrainConfig:
        path = checkout / "settings.yaml"
        path.write_text(yaml.safe_dump(base))
        return load_train(path, overrides)

    return make


@pytest.fixture
def local_s3(monkeypatch):
    """A client of S3 on an AWS on this machine, which is empty and which variables name."""
    import boto3
    import requests
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0)
    server.start()
    url = "http://{}:{}".format(*server.get_host_and_port())
    for variable, value in {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(variable, value)
    boto3.setup_default_session()  # the one of another test knows other variables
    requests.post(f"{url}/moto-api/reset", timeout=10)
    yield boto3.client("s3")
    server.stop()
