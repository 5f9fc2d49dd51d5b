"""The embedded store: MLflow's SQLite file and the folder of its artifacts, in the checkout."""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from pathlib import Path

STORE = Path("mlflow.db")
ARTIFACTS = Path("mlartifacts")

# MLflow stores absolute artifact paths in these tables of its SQLite file.
_MOVE_PATHS = (
    "UPDATE experiments SET artifact_location = replace(artifact_location, ?, ?)",
    "UPDATE runs SET artifact_uri = replace(artifact_uri, ?, ?)",
    "UPDATE logged_models SET artifact_location = replace(artifact_location, ?, ?)",
    "UPDATE model_versions SET storage_location = replace(storage_location, ?, ?)",
)


def uri() -> str:
    """Return the tracking URI of the embedded store."""
    # Absolute, because MLflow keeps one connection for each URI, even if the working directory changes.
    return f"sqlite:///{STORE.resolve()}"


def prepare() -> None:
    """Create the store if there is none, and update its paths if the repository was moved.

    Processes that migrate the same new SQLite file at once crash each other, and a killed one leaves half
    a schema: so the caller holds the lock, and a new store is renamed to its final name when it is complete.
    """
    import mlflow

    if not STORE.exists() or STORE.stat().st_size == 0:
        unfinished = STORE.with_name("mlflow.db.unfinished")
        for leftover in STORE.parent.glob("mlflow.db.unfinished*"):
            leftover.unlink()
        mlflow.MlflowClient(tracking_uri=f"sqlite:///{unfinished.resolve()}").search_experiments()
        unfinished.replace(STORE)
    with suppress(OSError):
        Path("mlruns").rmdir()  # MLflow 3.1 makes this empty folder, which MLflow 3.13 refuses
    _follow_move()


def _follow_move() -> None:
    here = str(ARTIFACTS.resolve())
    with closing(sqlite3.connect(STORE, timeout=60)) as store, store:
        row = store.execute(
            "SELECT artifact_location FROM experiments WHERE artifact_location LIKE ?"
            " AND artifact_location != ?",
            (f"%/{ARTIFACTS}", here),
        ).fetchone()
        if row is not None and (ARTIFACTS.exists() or not Path(row[0]).exists()):
            for statement in _MOVE_PATHS:
                store.execute(statement, (row[0], here))
