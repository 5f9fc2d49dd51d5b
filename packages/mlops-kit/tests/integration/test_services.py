"""The same commands against services: a real MLflow server, and an S3 endpoint."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import boto3
import pytest
import requests
from moto.server import ThreadedMotoServer

from mlops_kit.core.project import current
from mlops_kit.experiments import store

pytestmark = pytest.mark.slow


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(address, server):
    """Wait until the server answers; fail if it ends before, or takes too long."""
    deadline = time.monotonic() + 120
    while True:
        assert server.poll() is None, "the server ended"
        assert time.monotonic() < deadline, "the server does not answer"
        with contextlib.suppress(requests.ConnectionError):
            requests.get(f"{address}/health", timeout=5).raise_for_status()
            return
        time.sleep(0.1)


@pytest.fixture(scope="module")
def mlflow_server(tmp_path_factory):
    """The address of an `mlflow server` with a store and an artifact folder of its own."""
    folder, port = tmp_path_factory.mktemp("server"), free_port()
    options = ["--workers", "1", "--backend-store-uri", "sqlite:///server.db"]
    options += ["--artifacts-destination", "stored", "--port", str(port)]
    with (folder / "log").open("wb") as log:
        without_jobs = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}  # nine idle processes
        server = subprocess.Popen(
            [sys.executable, "-m", "mlflow", "server", *options],
            cwd=folder,
            env={**os.environ, **without_jobs},
            stdout=log,
            stderr=log,
            start_new_session=True,  # so that its workers end with it
        )
        try:
            wait_for(f"http://127.0.0.1:{port}", server)
            yield f"http://127.0.0.1:{port}"
        finally:
            os.killpg(server.pid, signal.SIGTERM)
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
    monkeypatch.setattr(store, "_SERVER_SECONDS", 1)
    nobody = f"http://127.0.0.1:{free_port()}"
    done = command("train", MLFLOW_TRACKING_URI=nobody)
    assert done.code == 2
    assert f"MLFLOW_TRACKING_URI {nobody} did not answer within 1 s" in done.err
    assert "\nfit " not in done.out


def test_credentials_in_the_address_are_never_printed(command, monkeypatch):
    monkeypatch.setattr(store, "_SERVER_SECONDS", 0.1)
    nobody = f"127.0.0.1:{free_port()}"
    done = command("train", MLFLOW_TRACKING_URI=f"http://me:hunter2@{nobody}")
    assert done.code == 2
    assert f"http://…@{nobody}" in done.err
    assert "hunter2" not in done.out + done.err


def test_the_pages_show_the_runs_until_ctrl_c(command, project):
    assert command("train").code == 0
    port = free_port()
    pages = subprocess.Popen(
        [sys.executable, "-m", current().package, "mlflow-ui"],
        env={**os.environ, "PORT": str(port)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,  # so that Ctrl-C reaches the group, as on a terminal
    )
    address = f"http://127.0.0.1:{port}"
    wait_for(address, pages)
    asked = {"experiment_ids": [], "filter": "name = 'churn'", "max_results": 1}
    found = requests.post(f"{address}/api/2.0/mlflow/experiments/search", json=asked, timeout=10)
    assert [e["name"] for e in found.json()["experiments"]] == ["churn"]
    taken = command("mlflow-ui", PORT=str(port))
    assert (taken.code, taken.err) == (2, f"error: port {port} is taken: give PORT=…\n")
    os.killpg(pages.pid, signal.SIGINT)
    out, _ = pages.communicate(timeout=60)
    assert f"MLflow on {address}" in out
    assert pages.returncode in (0, 1), out  # MLflow 3.1 calls it "Aborted"
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{address}/health", timeout=5)


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
