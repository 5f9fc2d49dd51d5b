"""A Dask cluster: a temporary one on this machine, or the one that DASK_SCHEDULER names.

Work is submitted as futures: the tasks of a killed worker are run again on another one.
"""

from __future__ import annotations

import hashlib
import importlib
import logging
import os
import platform
import queue
import time
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from distributed import Client, KilledWorker, LocalCluster, WorkerPlugin
from distributed.utils import CancelledError
from distributed.utils import TimeoutError as TookTooLong  # before Python 3.11 not the built-in one

import mlops_kit
from mlops_kit.core import cpu_count, project
from mlops_kit.core.errors import UserError, one_line

VARIABLE = "DASK_SCHEDULER"

# How often a task that failed, for example on the network, is retried.
RETRIES = 3

_ANSWER_SECONDS = 10
_WORKER_SECONDS = 60
_NOISY = ("distributed", "distributed.client", "distributed.gc")  # each has a level of its own
_LIBRARIES = ("scikit-learn", "pandas", "numpy", "distributed")


class _UsesProject(WorkerPlugin):  # type: ignore[misc] # distributed has no types
    """Set the project on every worker, also on one that replaces a killed one."""

    def __init__(self, given: project.Project) -> None:
        self._given = given

    def setup(self, worker: Any) -> None:  # noqa: ARG002 # distributed's signature
        project.use(self._given)


@contextmanager
def connect(workers: int | None = None) -> Iterator[Client]:
    """Yield a client of the cluster, by default a local one of `workers` processes (default: one per core).

    Raises:
        UserError: DASK_SCHEDULER does not respond within 10 seconds, has no workers within 60, or its workers
            have other versions.
    """
    for name in _NOISY:
        logging.getLogger(name).setLevel(logging.CRITICAL)  # errors become a UserError
    address = os.environ.get(VARIABLE)
    if address:
        with _joined(address) as client:
            _await_workers(client, address)
            _check_versions(client, address)
            client.register_plugin(_UsesProject(project.current()))
            yield client
        return
    # An interrupt ends this process at once, and Python's resource tracker would warn of leaks.
    os.environ.setdefault("PYTHONWARNINGS", "ignore:resource_tracker:UserWarning")
    here = {"host": "127.0.0.1", "dashboard_address": "127.0.0.1:0"}
    count = workers or cpu_count.cores()
    with (
        LocalCluster(
            n_workers=count, threads_per_worker=1, silence_logs=logging.CRITICAL, **here
        ) as own,
        Client(own) as client,
    ):
        client.register_plugin(_UsesProject(project.current()))
        yield client


def keep(client: Client, value: Any) -> Any:
    """Store a value on the cluster and return its future, to be passed to tasks.

    It is stored as a task's result, which is computed again when its worker dies; `Client.scatter` would lose it.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sending large graph")
        return client.submit(_same, value, retries=RETRIES, pure=False)


def finished(client: Client, futures: Iterable[Any]) -> Iterator[Any]:
    """Yield the futures as they finish.

    Raises:
        UserError: The scheduler is gone, or has had no worker for 60 seconds.
    """
    ended: queue.SimpleQueue[Any] = queue.SimpleQueue()
    left = 0
    for future in futures:
        future.add_done_callback(ended.put)
        left += 1
    alone_since = None
    while left:
        try:
            future = ended.get(timeout=1)
        except queue.Empty:
            alone_since = _still_served(client, alone_since)
            continue
        left -= 1
        yield future


def result(client: Client, future: Any) -> Any:
    """Return the result of a finished task.

    Raises:
        UserError: The task raised it, every worker that took the task died, or the scheduler is gone.
    """
    address = client.scheduler.address
    try:
        return future.result()
    except KilledWorker:
        raise UserError(
            "every worker that took one of the tasks died, most often for lack of memory: give each more, by"
            " fewer workers (in configs/search.yaml) or larger machines"
        ) from None
    except CancelledError:
        raise UserError(f"the scheduler {address} is gone, with what it knew") from None


@contextmanager
def _joined(address: str) -> Iterator[Client]:
    try:
        client = Client(address, timeout=_ANSWER_SECONDS)
    except (OSError, ValueError) as error:
        raise UserError(
            f"{VARIABLE} {address} did not answer within {_ANSWER_SECONDS} s: {one_line(error)};"
            " accepted: the address that the scheduler printed, like tcp://10.0.0.7:8786"
        ) from None
    with client:
        yield client


def _await_workers(client: Client, address: str) -> None:
    try:
        client.wait_for_workers(1, timeout=_WORKER_SECONDS)
    except TookTooLong:
        raise UserError(
            f"{VARIABLE} {address} has had no worker for {_WORKER_SECONDS} s: start some"
        ) from None


def _check_versions(client: Client, address: str) -> None:
    """Check that every worker has the same versions and source code as this process."""
    remedy = "start its workers from this commit and its lock, as make image-train packs them"
    try:
        found = client.run(_versions, project.current().package)
    except Exception as error:  # importing this package there may raise anything
        raise UserError(
            f"{VARIABLE} {address} cannot run this package ({one_line(error)}): {remedy}"
        ) from None
    ours = _versions(project.current().package)
    for worker, theirs in found.items():
        wrong = [
            f"{name} {theirs[name]}, not {ours[name]}"
            for name in ours
            if theirs[name] != ours[name]
        ]
        if wrong:
            raise UserError(f"worker {worker} of {VARIABLE} has {', '.join(wrong)}: {remedy}")


def _same(value: Any) -> Any:
    return value


def _versions(package: str) -> dict[str, str]:
    source = hashlib.sha256()
    for module in (mlops_kit, importlib.import_module(package)):
        folder = Path(str(module.__file__)).parent
        for file in sorted(folder.rglob("*.py")):
            source.update(str(file.relative_to(folder)).encode() + file.read_bytes())
    libraries = {name: version(name) for name in _LIBRARIES}
    return {
        "Python": platform.python_version(),
        **libraries,
        "source code": source.hexdigest()[:12],
    }


def _still_served(client: Client, alone_since: float | None) -> float | None:
    """Return the time (`time.monotonic`, in seconds) since which the scheduler has had no worker; None while it has some.

    Raises:
        UserError: The scheduler is gone, or has had no worker for 60 seconds.
    """
    if client.status not in ("running", "connecting"):
        raise UserError(f"the scheduler {client.scheduler.address} is gone, with what it knew")
    if client.nthreads():
        return None
    since = alone_since or time.monotonic()
    if time.monotonic() - since > _WORKER_SECONDS:
        raise UserError(
            f"the scheduler {client.scheduler.address} has had no worker for {_WORKER_SECONDS} s"
        )
    return since
