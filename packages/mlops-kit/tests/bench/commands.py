"""What a person waits for: each command by itself, on the yardstick's data and model."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from pathlib import Path

from measure import Table, run, spread
from parts import BENCH, PYTHON, ROOT, copy_project
from serving import ready_seconds

SCORED_ROWS = 100_000
NOTE = (
    "Median (fastest–slowest), imports included, on scikit-learn's breast cancer (569 rows, 30 columns) with gradient"
    " boosting; the first pipeline begins without a store, all others find one. CPU seconds, of all cores together, hardly"
    " change when a machine is busy with something else"
)


def commands(scratch: Path, runs: int) -> Table:
    """Seconds of every command from an installation to a service that answers."""
    folder = copy_project(scratch / "project")
    folder.joinpath(".venv").symlink_to(ROOT / ".venv")
    settings = {"CONFIG": str(BENCH / "train.yaml"), "MLFLOW_TRACKING_URI": "sqlite:///mlflow.db"}
    scored = {**settings, "DATA": "rows.csv", "OUT": "scores.csv"}

    def timed(command: str, variables: dict[str, str]) -> Callable[[], float]:
        def once() -> float:
            start = time.perf_counter()
            run(command, folder, variables)
            return time.perf_counter() - start

        return once

    def first_pipeline() -> float:
        folder.joinpath("mlflow.db").unlink(missing_ok=True)
        return timed("make pipeline", settings)()

    def rows_to_score() -> None:
        run(
            f"{PYTHON} -c 'from sklearn.datasets import load_breast_cancer as load;"
            f' load(as_frame=True).frame.sample({SCORED_ROWS}, replace=True).to_csv("rows.csv", index=False)\'',
            folder,
        )

    measured: dict[str, list[float]] = {}
    cores: dict[str, list[float]] = {}

    def measure(what: str, once: Callable[[], float]) -> None:
        for number in range(1, runs + 1):
            print(f"commands: {number}/{runs}, {what} …", end=" ", flush=True)
            before = _cpu()
            measured.setdefault(what, []).append(once())
            cores.setdefault(what, []).append(_cpu() - before)
            print(f"{measured[what][-1]:.1f} s", flush=True)

    measure("make install, nothing to do", timed("make install", {}))
    measure("the first make pipeline", first_pipeline)
    for name in ("train", "validate", "register", "report", "export"):
        measure(f"make {name}", timed(f"make {name}", settings))
    rows_to_score()
    measure(f"make predict, {SCORED_ROWS:,} rows", timed("make predict", scored))
    measure("the service, until it is ready", lambda: ready_seconds(folder))
    return Table(
        name="commands",
        header=("what", "seconds", "CPU seconds", "runs"),
        rows=[
            (what, spread(taken, 2), spread(cores[what], 2), str(len(taken)))
            for what, taken in measured.items()
        ],
        note=NOTE,
        facts=[
            {"what": what, "seconds": taken, "cpu_seconds": cores[what]}
            for what, taken in measured.items()
        ],
    )


def _cpu() -> float:
    """Return the seconds that what was started and has ended kept a core busy."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
