"""How `make predict` scales: a large file here, and on Dask clusters of 1, 2 and 4 workers of this machine."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from distributed import Client
from measure import BenchError, Table, run, spread
from parts import BENCH, BIN, PYTHON, copy_project

ROWS = 1_000_000
WORKERS = (0, 1, 2, 4)
MOST_SECONDS = 60  # until the workers are there
NOTE = (
    f"`make predict` of {ROWS:,} rows of 30 columns, Parquet to Parquet, gradient boosting from ONNX; workers have one thread"
    " and share this machine's cores with the command, which reads and writes; medians (fastest–slowest)"
)


def scoring(scratch: Path, runs: int) -> Table:
    """Seconds of the same predictions without a cluster, and with each number of workers."""
    folder = copy_project(scratch / "project")
    settings = {"CONFIG": str(BENCH / "train.yaml"), "MLFLOW_TRACKING_URI": "sqlite:///mlflow.db"}
    run(f"{PYTHON} -m ml_template pipeline && {PYTHON} -m ml_template export", folder, settings)
    run(
        f"{PYTHON} -c 'from sklearn.datasets import load_breast_cancer as load;"
        f' load(as_frame=True).frame.sample({ROWS}, replace=True).to_parquet("rows.parquet", index=False)\'',
        folder,
    )
    given = {**settings, "DATA": "rows.parquet", "OUT": "scores.parquet"}
    facts = []
    for workers in WORKERS:
        with _cluster(scratch, workers) as address:
            seconds = []
            for number in range(1, runs + 1):
                print(f"score: {number}/{runs}, {workers} workers …", end=" ", flush=True)
                start = time.perf_counter()
                run(
                    f"{PYTHON} -m ml_template predict", folder, {**given, "DASK_SCHEDULER": address}
                )
                seconds.append(time.perf_counter() - start)
                print(f"{seconds[-1]:.1f} s", flush=True)
        facts.append({"workers": workers, "seconds": seconds})
    rows = [(str(fact["workers"] or "none"), spread(fact["seconds"], 1)) for fact in facts]
    return Table("score", ("workers", "seconds"), rows, NOTE, facts)


@contextmanager
def _cluster(scratch: Path, workers: int) -> Iterator[str]:
    """Yield the address of a scheduler with so many workers, or an empty string for none of them.

    Raises:
        BenchError: The scheduler has ended.
        TimeoutError: The workers are not there within a minute.
    """
    if not workers:
        yield ""
        return
    file = scratch / f"scheduler-{workers}.json"
    where = ("--host", "127.0.0.1", "--port", "0", "--dashboard-address", "127.0.0.1:0")
    one = ("--nthreads", "1", "--no-nanny", "--no-dashboard")
    with ExitStack() as started:
        scheduler = _start(started, "dask_scheduler", "--scheduler-file", str(file), *where)
        while not file.exists() or not file.read_text().rstrip().endswith("}"):
            if scheduler.poll() is not None:
                raise BenchError("Dask's scheduler has ended before it had an address")
            time.sleep(0.1)
        address = json.loads(file.read_text())["address"]
        for name in range(workers):
            _start(started, "dask_worker", "--scheduler-file", str(file), "--name", str(name), *one)
        with Client(address) as client:
            client.wait_for_workers(workers, timeout=MOST_SECONDS)
        yield address


def _start(started: ExitStack, module: str, *options: str) -> subprocess.Popen[bytes]:
    """Start a module of Dask's command line, and return its process, which is killed when `started` closes."""
    process = subprocess.Popen(
        [BIN / "python", "-m", f"distributed.cli.{module}", *options],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    started.callback(process.wait)
    started.callback(process.kill)
    return process
