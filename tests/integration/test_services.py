"""The same commands against services: a real MLflow server, and an S3 endpoint."""

import contextlib
import json
import socket
import subprocess
import sys
import time
from pathlib import Path

import boto3
import pytest
import requests
from moto.server import ThreadedMotoServer

from ml_template import tracking


@pytest.fixture(scope="module")
def mlflow_server(tmp_path_factory):
    """The address of an `mlflow server` with a store and an artifact folder of its own."""
    folder = tmp_path_factory.mktemp("server")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = ["--workers", "1", "--backend-store-uri", "sqlite:///server.db"]
    options += ["--artifacts-destination", "stored", "--port", str(port)]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "mlflow", "server", *options], cwd=folder, stdout=log, stderr=log
        )
        address = f"http://127.0.0.1:{port}"
        try:
            deadline = time.monotonic() + 120
            while True:
                assert server.poll() is None, (folder / "log").read_text()
                assert time.monotonic() < deadline, (folder / "log").read_text()
                with contextlib.suppress(requests.ConnectionError):
                    requests.get(f"{address}/health", timeout=5).raise_for_status()
                    break
                time.sleep(0.1)
            yield address
        finally:
            server.terminate()
            server.wait(timeout=30)


def test_a_tracking_server_does_the_same(mlflow_server, command, fresh_project):
    for name in ("train", "validate", "register", "register"):
        done = command(name, MLFLOW_TRACKING_URI=mlflow_server)
        assert done.code == 0, done.err
    assert "already was the champion" in done.out
    versions = requests.get(
        f"{mlflow_server}/api/2.0/mlflow/model-versions/search", timeout=10
    ).json()["model_versions"]
    assert [(v["name"], v["version"], v["run_id"]) for v in versions] == [
        ("churn", "1", json.loads(Path("reports/train.json").read_text())["run_id"])
    ]
    assert not (fresh_project / "mlflow.db").exists()
    assert not (fresh_project / "mlartifacts").exists()


def test_a_server_that_is_not_there_is_named_after_a_bounded_wait(command, monkeypatch):
    monkeypatch.setattr(tracking, "_SERVER_SECONDS", 1)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{probe.getsockname()[1]}"
        done = command("train", MLFLOW_TRACKING_URI=nobody)
    assert done.code == 2
    assert f"MLFLOW_TRACKING_URI {nobody} did not answer within 1 s" in done.err
    assert "\nfit " not in done.out


@pytest.fixture
def bucket(monkeypatch):
    """A bucket at a local S3 endpoint; returns a function that puts an object there."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    client = boto3.client("s3")
    client.create_bucket(Bucket="rows")
    yield lambda key, body: client.put_object(Bucket="rows", Key=key, Body=body)
    server.stop()


def test_rows_come_from_s3(bucket, command, project):
    lines = "\n".join(f"{i % 17},{i % 5},{i % 2}" for i in range(200))
    bucket("2026/churn.csv", f"a,b,y\n{lines}\n".encode())
    own = "data.source=s3://rows/2026/churn.csv data.target=y validation.thresholds.accuracy=0"
    for name in ("train", "validate"):
        done = command(name, SET=own)
        assert done.code == 0, done.err


def test_an_object_that_is_not_there_is_named(bucket, command):
    done = command("train", SET="data.source=s3://rows/nope.csv")
    assert done.code == 2
    assert "data.source s3://rows/nope.csv cannot be fetched" in done.err
