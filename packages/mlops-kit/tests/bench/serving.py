"""One model behind four servers, one worker each: ours from ONNX and from scikit-learn, MLflow's, an empty endpoint.

Ours from ONNX runs without its bounds as well: what these cost.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import statistics
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.request import urlopen

from measure import FROM_MAKE, BenchError, Table, free_port, run
from parts import BENCH, BIN, PYTHON, copy_project

SECONDS = 4
READY_SECONDS = 120
# One row on many connections, as a service is asked; many rows on two, as a job asks.
LOADS = {"1 row": (1, 16), "1,000 rows": (1000, 2)}
NOTE = (
    "one registered gradient boosting (30 columns), one worker each; one row on 16 connections, 1,000 rows on"
    " 2; medians (slowest–fastest) of the runs, in which the servers took turns. Aims on one row: from ONNX at least 50 × MLflow"
    " and 60 % of the empty endpoint, from scikit-learn at least 25 × MLflow"
)


@dataclass
class Server:
    """A way to serve the model: its command, with PORT and FOLDER in it, and what it is asked."""

    name: str
    command: str
    path: str
    ready: str
    body: str  # rows or mlflow
    environment: dict[str, str] = field(default_factory=dict)


OURS = f"{PYTHON} -m ml_template serve"
SERVERS = (
    Server("ours, ONNX", OURS, "/predict", "/readyz", "rows", {"MODEL_DIR": "onnx"}),
    Server(
        "ours, ONNX, no bounds",
        f"{PYTHON} {shlex.quote(str(BENCH / 'unbounded.py'))}",
        "/predict",
        "/readyz",
        "rows",
        {"MODEL_DIR": "onnx"},
    ),
    Server("ours, scikit-learn", OURS, "/predict", "/readyz", "rows", {"MODEL_DIR": "skops"}),
    Server(
        "mlflow models serve",
        f"{PYTHON} -m mlflow models serve --env-manager local --model-uri models:/bench@champion --port $PORT",
        "/invocations",
        "/ping",
        "mlflow",
        {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"},  # it calls uvicorn by name
    ),
    Server(
        "empty endpoint",
        f"{PYTHON} {shlex.quote(str(BENCH / 'empty_endpoint.py'))} $PORT",
        "/predict",
        "/ready",
        "rows",
    ),
)


def serving(scratch: Path, runs: int) -> Table:
    """Requests a second and latencies of each server."""
    folder = copy_project(scratch / "project")
    export(folder)
    bodies = _bodies(folder)
    found: dict[tuple[str, str], list[dict[str, float]]] = {}
    with ExitStack() as running:
        ports = {server.name: running.enter_context(started(server, folder)) for server in SERVERS}
        for number in range(1, runs + 1):
            for load, (_, connections) in LOADS.items():
                for server in SERVERS:
                    print(f"serve: {number}/{runs}, {load}, {server.name} …", end=" ", flush=True)
                    body = bodies[load, server.body]
                    arguments = f"{ports[server.name]} {server.path} {body} {connections} {SECONDS}"
                    result = json.loads(
                        run(f"{PYTHON} {BENCH / 'http_load.py'} {arguments}", folder)
                    )
                    found.setdefault((load, server.name), []).append(result)
                    print(f"{result['per_second']:.0f} a second", flush=True)
    return Table(
        name="serve",
        header=("what", "server", "p50 (ms)", "p99 (ms)", "a second", "× MLflow", "of empty"),
        rows=[_row(load, server.name, found) for load in LOADS for server in SERVERS],
        note=NOTE,
        facts=[
            {"load": load, "server": name, "runs": measured}
            for (load, name), measured in found.items()
        ],
    )


def _row(
    load: str, name: str, found: dict[tuple[str, str], list[dict[str, float]]]
) -> tuple[str, ...]:
    def median(key: str, of: str = name) -> float:
        return statistics.median(measured[key] for measured in found[load, of])

    rate = median("per_second")
    rates = [measured["per_second"] for measured in found[load, name]]
    return (
        load,
        name,
        f"{median('p50_ms'):.2f}",
        f"{median('p99_ms'):.2f}",
        f"{rate:,.0f} ({min(rates):,.0f}–{max(rates):,.0f})",
        f"{rate / median('per_second', 'mlflow models serve'):.1f}",
        f"{100 * rate / median('per_second', 'empty endpoint'):.0f} %",
    )


def export(folder: Path) -> None:
    """Train and register the yardstick's model and export it in both forms, to `onnx` and `skops`."""
    environment = {
        "CONFIG": str(BENCH / "train.yaml"),
        "MLFLOW_TRACKING_URI": "sqlite:///mlflow.db",
    }
    for step in ("train", "validate", "register"):
        run(f"{PYTHON} -m ml_template {step}", folder, environment)
    # No form is as exact as the second tolerance asks, so scikit-learn's is taken.
    for form, tolerance in (("onnx", "1e-5"), ("skops", "1e-300")):
        settings = {**environment, "SERVE_SET": f"export.tolerance={tolerance}"}
        run(f"{PYTHON} -m ml_template export", folder, settings)
        Path(folder, "artifacts", "model").rename(folder / form)
        if not Path(folder, form, f"model.{form}").exists():
            raise BenchError(f"the model could not be exported to {form}")


def _bodies(folder: Path) -> dict[tuple[str, str], Path]:
    row = json.loads(Path(folder, "onnx", "model.json").read_text(encoding="utf-8"))["golden"][0][
        "row"
    ]
    files = {}
    for load, (count, _) in LOADS.items():
        of_mlflow = {"columns": list(row), "data": [list(row.values())] * count}
        for kind, content in (
            ("rows", {"rows": [row] * count}),
            ("mlflow", {"dataframe_split": of_mlflow}),
        ):
            files[load, kind] = folder / f"{kind}-{count}.json"
            files[load, kind].write_text(json.dumps(content), encoding="utf-8")
    return files


def ready_seconds(folder: Path) -> float:
    """Return how long the service takes, from its start to its first "ready", with artifacts/model/ of `folder`."""
    server = Server("ours", OURS, "/predict", "/readyz", "rows")
    start = time.perf_counter()
    with started(server, folder):
        return time.perf_counter() - start


@contextmanager
def started(server: Server, folder: Path) -> Iterator[int]:
    """Run a server and yield its port; it ends with whatever it started."""
    port = free_port()
    kept = {name: value for name, value in os.environ.items() if name not in FROM_MAKE}
    own = {"PORT": str(port), "OMP_NUM_THREADS": "1", "MLFLOW_TRACKING_URI": "sqlite:///mlflow.db"}
    path = folder / f"{port}.log"
    with path.open("wb") as log:
        process = subprocess.Popen(
            server.command,
            shell=True,
            cwd=folder,
            env={**kept, **own, **server.environment},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            if not _is_ready(f"http://127.0.0.1:{port}{server.ready}", process):
                print(f"\n{path.read_text(errors='replace')[-3000:]}", flush=True)
                raise BenchError(f"{server.name} did not become ready; see above")
            yield port
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _is_ready(url: str, process: subprocess.Popen[bytes]) -> bool:
    deadline = time.monotonic() + READY_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with urlopen(url, timeout=5):
                return True
        except OSError:
            time.sleep(0.02)
    return False
