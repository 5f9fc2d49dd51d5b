"""How the cost of training grows: the same command on more rows, and on more columns."""

from __future__ import annotations

import os
import re
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from measure import FROM_MAKE, BenchError, Table, run, spread
from parts import BENCH, PYTHON, copy_project

SIZES = ((1_000, 30), (10_000, 30), (100_000, 10), (100_000, 30), (100_000, 100), (1_000_000, 30))
STEPS = ("data", "fit", "measure", "track")
STEP = re.compile(r"^(\w+) .*\(([\d.]+) s\)$", re.M)
# Nine tenths are numbers, the rest are texts of eight kinds; both decide the target together.
MAKE_ROWS = (
    "import sys, numpy as np, pandas as pd; rows, columns = map(int, sys.argv[1:3]);"
    " draw = np.random.default_rng(0); texts = columns // 10;"
    ' frame = pd.DataFrame({f"n{i}": draw.normal(size=rows) for i in range(columns - texts)});'
    ' more = {f"t{i}": draw.choice(list("abcdefgh"), rows) for i in range(texts)};'
    ' frame = frame.assign(**more); score = frame["n0"] + frame["n1"] * (frame["t0"] < "d");'
    ' frame["target"] = (score + draw.normal(size=rows) > 0).astype(int);'
    ' frame.to_parquet("rows.parquet")'
)
NOTE = (
    "one `python -m ml_template train` from Parquet, gradient boosting of 100 rounds, a tenth of the columns texts;"
    " medians (fastest–slowest), seconds; imports are in the whole only; CPU is of all cores together, memory the most that the process held"
)


def sizes(scratch: Path, runs: int) -> Table:
    """Seconds of each step, and the peak of memory, at each of SIZES; the largest is run once."""
    folder = copy_project(scratch / "project")
    settings = {
        "CONFIG": str(BENCH / "train.yaml"),
        "SET": "data.source=rows.parquet",
        "MLFLOW_TRACKING_URI": "sqlite:///mlflow.db",
    }
    train = f"{PYTHON} -m ml_template train"
    run(train, folder, {**settings, "SET": ""})  # makes the store
    rows, facts = [], []
    for size in SIZES:
        run(f"{PYTHON} -c '{MAKE_ROWS}' {size[0]} {size[1]}", folder)
        found = []
        for number in range(1, 2 if size == SIZES[-1] else runs + 1):
            print(f"sizes: {number}/{runs}, {size[0]:,} × {size[1]} …", end=" ", flush=True)
            found.append(_train(folder, settings))
            print(f"{found[-1]['whole']:.1f} s", flush=True)
        rows.append(_row(size, found))
        facts.append({"rows": size[0], "columns": size[1], "runs": found})
    header = ("rows", "columns", "whole", *STEPS, "CPU", "MB", "runs")
    return Table(name="sizes", header=header, rows=rows, note=NOTE, facts=facts)


def _train(folder: Path, settings: dict[str, str]) -> dict[str, float]:
    """Train once; return the seconds of the whole, of each step and of the CPU, and the megabytes at the peak."""
    kept = {name: value for name, value in os.environ.items() if name not in FROM_MAKE}
    start = time.perf_counter()
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            f"exec {PYTHON} -m ml_template train",
            shell=True,
            cwd=folder,
            env={**kept, **settings},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        whole = time.perf_counter() - start
        log.seek(0)
        output = log.read().decode("utf-8", errors="replace")
    if process.returncode != 0:
        raise BenchError(f"train failed with exit code {process.returncode}: {output[-1000:]}")
    unit = 1e6 if os.uname().sysname == "Darwin" else 1e3  # bytes there, KiB here
    steps = {name: float(seconds) for name, seconds in STEP.findall(output) if name in STEPS}
    cpu = used.ru_utime + used.ru_stime
    return {"whole": whole, **steps, "cpu": cpu, "megabytes": used.ru_maxrss / unit}


def _row(size: tuple[int, int], found: list[dict[str, float]]) -> tuple[str, ...]:
    def median(key: str) -> float:
        return statistics.median(one[key] for one in found)

    whole = [one["whole"] for one in found]
    return (
        f"{size[0]:,}",
        str(size[1]),
        spread(whole, 1),
        *(f"{median(step):.1f}" for step in STEPS),
        f"{median('cpu'):.1f}",
        f"{median('megabytes'):,.0f}",
        str(len(found)),
    )
