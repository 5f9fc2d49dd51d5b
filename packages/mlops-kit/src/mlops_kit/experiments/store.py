"""The MLflow store: the embedded SQLite file, or the server that MLFLOW_TRACKING_URI names."""

from __future__ import annotations

import logging
import os
import re
import socket
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import requests

from mlops_kit.core.console import echo
from mlops_kit.core.errors import UserError, one_line
from mlops_kit.core.files import scratch

from . import embedded_store, open_runs
from .embedded_store import ARTIFACTS

_VARIABLE = "MLFLOW_TRACKING_URI"
_LOCK = Path("mlflow.db.lock")
_LOCK_SECONDS = 300
_SERVER_SECONDS = 10
_PROBE = ".writable"

# Loggers whose warnings are of no use here: retries, migrations, caches.
_NOISY = ("mlflow", "alembic", "urllib3", "matplotlib")


def uri() -> str:
    """Return the current tracking URI: MLFLOW_TRACKING_URI, else the embedded store."""
    return os.environ.get(_VARIABLE) or embedded_store.uri()


def redacted(text: str) -> str:
    """Return a text without the credentials and query strings of the URIs in it.

    >>> redacted("https://me:secret@mlflow.example/api?token=1 failed")
    'https://…@mlflow.example/api?… failed'
    """
    return re.sub(r"(://[^\s?]*)\?\S*", r"\1?…", re.sub(r"//[^/\s@]*@", "//…@", text))


@contextmanager
def connect() -> Iterator[Any]:
    """Yield an `mlflow.MlflowClient`; the `mlflow` module uses the same store. Runs of killed processes are closed first.

    Raises:
        UserError: The server does not respond within 10 seconds, or MLflow fails inside the block; the
            message names the URI.
    """
    _settle_environment()
    if uri().startswith(("http://", "https://")):
        _await_server()
    import mlflow
    from sqlalchemy.exc import SQLAlchemyError

    for name in _NOISY:  # MLflow sets the first two when it is imported
        logging.getLogger(name).setLevel(logging.ERROR)
    given = os.environ.get(_VARIABLE)
    try:
        client = _open()
        open_runs.close_killed(client)
        yield client
    except (mlflow.exceptions.MlflowException, SQLAlchemyError) as error:
        raise UserError(_failure(error)) from error
    finally:
        if given is None:
            os.environ.pop(_VARIABLE, None)  # MLflow sets it to the URI that it was given


def _open() -> Any:
    import mlflow
    from alembic.util import CommandError

    try:
        if uri() == embedded_store.uri():
            with hold_lock():
                embedded_store.prepare()
        mlflow.set_tracking_uri(uri())
        client = mlflow.MlflowClient()
        client.search_experiments(max_results=1)
    except CommandError as error:
        advice = "a newer MLflow wrote it; use the Python it was made with, or another store"
        raise UserError(f"{_failure(error)} ({advice})") from error
    except (OSError, ImportError, sqlite3.Error) as error:
        raise UserError(_failure(error)) from error
    return client


def _failure(error: Exception) -> str:
    reason = getattr(error, "orig", None) or error  # SQLAlchemy's own message includes the SQL
    return redacted(f"the tracking store {uri()} failed: {one_line(reason)}")


@contextmanager
def hold_lock() -> Iterator[None]:
    """Hold the lock of this checkout, so that one process at a time is in the block; a killed process releases it.

    Raises:
        UserError: Another process holds it for more than 300 seconds.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(str(_LOCK), timeout=_LOCK_SECONDS)
    try:
        lock.acquire()
    except Timeout:
        raise UserError(f"{_LOCK} is held by another process for {_LOCK_SECONDS} s") from None
    try:
        yield
    finally:
        lock.release()


def experiment_id(client: Any, name: str) -> str:
    """Return the id of the experiment `name`, created if it does not exist.

    Raises:
        UserError: It was deleted.
    """
    from mlflow.exceptions import MlflowException

    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        with suppress(MlflowException):  # another process was faster
            location = str(ARTIFACTS.resolve()) if uri() == embedded_store.uri() else None
            return str(client.create_experiment(name, artifact_location=location))
        experiment = client.get_experiment_by_name(name)
    if experiment is None or experiment.lifecycle_stage == "deleted":
        raise UserError(
            f"experiment {name!r} is deleted in {redacted(uri())}: restore it or rename yours"
        )
    return str(experiment.experiment_id)


def check_artifacts(client: Any, experiment: str) -> None:
    """Check, before a long fit, that artifacts of the experiment with this id can be written, by writing an empty file.

    In a remote store the file stays.

    Raises:
        UserError: It cannot be written; the message names the location.
    """
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    location = client.get_experiment(experiment).artifact_location
    try:
        repository = get_artifact_repository(location)
        here = getattr(repository, "artifact_dir", None)
        if here is not None:
            Path(here).mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=here):
                return
        with scratch() as folder:
            (folder / _PROBE).touch()
            repository.log_artifact(str(folder / _PROBE))
    except Exception as error:  # every kind of storage has errors of its own
        raise UserError(
            f"artifacts of {redacted(uri())} go to {redacted(location)}, which cannot be written from here:"
            f" {redacted(one_line(error))}; give this machine access, or let the server write them"
            " (mlflow server --artifacts-destination)"
        ) from error


def show(port: int) -> None:
    """Serve MLflow's UI for the current store on 127.0.0.1 until Ctrl-C.

    Raises:
        UserError: `port` is in use, or MLFLOW_TRACKING_URI is a server, which has a UI of its own.
    """
    if uri().startswith(("http://", "https://")):
        raise UserError(f"MLFLOW_TRACKING_URI is a server: open {redacted(uri())} in the browser")
    with closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise UserError(f"port {port} is taken: give PORT=…") from None
    with connect():
        from mlflow.cli import cli

    os.environ.setdefault("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "false")  # nine idle processes
    echo(f"MLflow on http://127.0.0.1:{port} (Ctrl-C ends it)")
    store, artifacts = ["--backend-store-uri", uri()], ["--default-artifact-root", str(ARTIFACTS)]
    cli.main(
        ["ui", "--port", str(port), "--workers", "1", *store, *artifacts], standalone_mode=False
    )


def _settle_environment() -> None:
    """Set MLflow's variables that are not set: its defaults retry for minutes."""
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    # Transfer artifacts through the server: its object store's address and port may not be reachable from here.
    os.environ.setdefault("MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD", "false")
    os.environ.setdefault("MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD", "false")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")  # with its credentials


def _await_server() -> None:
    deadline = time.monotonic() + _SERVER_SECONDS
    while True:
        try:
            requests.get(f"{uri().rstrip('/')}/health", timeout=3)
            return  # any response will do: the first call finds out whether it is MLflow
        except requests.RequestException as error:
            if time.monotonic() > deadline:
                raise UserError(
                    f"MLFLOW_TRACKING_URI {redacted(uri())} did not answer within {_SERVER_SECONDS} s:"
                    f" {redacted(str(error))}"
                ) from None
            time.sleep(0.5)
