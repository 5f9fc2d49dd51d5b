"""Mark the runs that a process writes by a lock that ends with it, so that the runs of a killed process can be closed."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

# Holds an empty file for each process, whose name begins with the id of the experiment.
FOLDER = Path("mlflow.db.open")

_TAG = "process"


@contextmanager
def hold(experiment: str) -> Iterator[dict[str, str]]:
    """Hold a lock, and yield the tags for the runs written in the block; `experiment` is the id of their experiment."""
    from filelock import FileLock

    FOLDER.mkdir(exist_ok=True)
    name = f"{experiment}.{secrets.token_hex(8)}"
    file = FOLDER / name
    try:
        with FileLock(str(file)):
            yield {_TAG: name}
    finally:
        file.unlink(missing_ok=True)


def close_killed(client: Any) -> None:
    """Set the status of this checkout's runs whose process has ended from RUNNING to KILLED."""
    from filelock import FileLock, Timeout

    for file in FOLDER.glob("*"):
        lock = FileLock(str(file), timeout=0)
        try:
            lock.acquire()
        except Timeout:
            continue
        try:
            for run in _running(client, file.name):
                client.set_terminated(run.info.run_id, "KILLED")
        finally:
            lock.release()
        file.unlink(missing_ok=True)


def _running(client: Any, name: str) -> list[Any]:
    # Find the experiment by id, because a store may have more experiments than one page lists.
    experiment = name.rpartition(".")[0]
    wanted = f"tags.{_TAG} = '{name}' and attributes.status = 'RUNNING'"
    return list(client.search_runs([experiment], wanted))
