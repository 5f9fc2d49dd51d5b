"""How often `make monitor` trips: on windows without drift, and on such whose drift was injected."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

from measure import Table, run
from parts import BENCH, PYTHON, copy_project

WINDOWS = 200
ROWS = (300, 1000)
MOST_FALSE = 0.01
LEAST_FOUND = 0.95
SCRIPT = f"{PYTHON} {shlex.quote(str(BENCH / 'windows.py'))}"


def monitor(scratch: Path, _runs: int) -> Table:
    """The share of the windows that trips, by the drift that is in them and by their rows."""
    folder = copy_project(scratch / "project")
    environment = {
        "CONFIG": "own.yaml",
        "MLFLOW_TRACKING_URI": "sqlite:///mlflow.db",
        "OMP_NUM_THREADS": "1",  # windows are small
    }
    run(f"{SCRIPT} train", folder)
    for step in ("train", "validate", "register"):
        print(f"monitor: {step} …", flush=True)
        run(f"{PYTHON} -m ml_template {step}", folder, environment)
    found = {}
    for rows in ROWS:
        print(f"monitor: {WINDOWS} windows of {rows} rows …", flush=True)
        output = run(f"{SCRIPT} count {WINDOWS} {rows}", folder, environment)
        found[rows] = json.loads(output.splitlines()[-1])
    return Table(
        name="monitor",
        header=("drift", *(f"{rows} rows" for rows in ROWS), "aim"),
        rows=[_row(drift, found) for drift in found[ROWS[0]]],
        note=f"windows of {WINDOWS} that trip, by configs/monitor.yaml's defaults; 13 columns of every kind, 2,000"
        f" test rows; the last drift is below the limit, so it need not be found",
        facts=[
            {"rows": rows, "windows": WINDOWS, "tripped": tripped}
            for rows, tripped in found.items()
        ],
    )


def _row(drift: str, found: dict[int, dict[str, int]]) -> tuple[str, ...]:
    aims = {"none": f"<= {MOST_FALSE:.0%}", "every number moved by a fifth of it": "–"}
    aim = aims.get(drift, f">= {LEAST_FOUND:.0%}")
    return (drift, *(f"{100 * tripped[drift] / WINDOWS:.1f} %" for tripped in found.values()), aim)
