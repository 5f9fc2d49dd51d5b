"""What a challenger in shadow costs the champion's users: the same service without one, with one, and with one that hangs."""

from __future__ import annotations

import json
import os
import re
import shutil
import statistics
import time
from pathlib import Path
from urllib.request import urlopen

from measure import BenchError, Table, run
from parts import BENCH, PYTHON, copy_project
from serving import OURS, READY_SECONDS, SECONDS, Server, export, started

from mlops_kit.artifact import folder as model_folder

# The challenger keeps up with one client; many may ask more than its place behind all others leaves time for.
CONNECTIONS = (1, 16)
LEAST_RATE, MOST_P99 = 0.9, 1.1
ON = {"MODEL_DIR": "challenged", "SERVE_SET": "challenger.mode=shadow"}
HANGING = f"{PYTHON} -m hanging serve"
PATHS = os.pathsep.join(filter(None, (str(BENCH), os.environ.get("PYTHONPATH"))))
SERVERS = (
    Server("none", OURS, "/predict", "/readyz", "rows", {"MODEL_DIR": "onnx"}),
    Server("the same model", OURS, "/predict", "/readyz", "rows", ON),
    Server("one that hangs", HANGING, "/predict", "/readyz", "rows", {**ON, "PYTHONPATH": PATHS}),
)
Found = dict[tuple[int, str], list[dict[str, float]]]


def shadow(scratch: Path, runs: int) -> Table:
    """Requests a second and latencies of one row from ONNX, beside those without a challenger."""
    folder = copy_project(scratch / "project")
    export(folder)
    _add_challenger(folder)
    card = json.loads(Path(folder, "onnx", "model.json").read_text(encoding="utf-8"))
    body = folder / "1.json"
    body.write_text(json.dumps({"rows": [card["golden"][0]["row"]]}), encoding="utf-8")
    found: Found = {}
    for number in range(1, runs + 1):
        for connections in CONNECTIONS:
            for server in SERVERS:
                print(
                    f"shadow: {number}/{runs}, {connections}, {server.name} …", end=" ", flush=True
                )
                measured = _measure(server, folder, body, connections)
                found.setdefault((connections, server.name), []).append(measured)
                print(f"{measured['per_second']:.0f} a second", flush=True)
    return Table(
        name="shadow",
        header=(
            *("connections", "challenger", "p50 (ms)", "p99 (ms)", "a second"),
            *("rate of none's", "p99 of none's", "it answered"),
        ),
        rows=[_row(*key, found) for key in found],
        note="One row of 30 columns from ONNX, one process; the challenger in shadow, a process behind it, is the same model, or"
        " hangs at every request; medians (slowest–fastest) of the runs, in which they took turns, one at a time. Aims where it"
        f" answers all, or hangs: at least {LEAST_RATE} of the rate and at most {MOST_P99} of the p99 without one",
        facts=[
            {"connections": connections, "challenger": name, "runs": measured}
            for (connections, name), measured in found.items()
        ],
    )


def _add_challenger(folder: Path) -> None:
    """Make `challenged` of `onnx`: the same with itself as the challenger, which is version 2."""
    champion = folder / "challenged"
    beside = champion / model_folder.CHALLENGER
    of_it = {"version": "2", "run_id": "bench", "format": "onnx"}
    for place, change in ((champion, {"challenger": of_it}), (beside, {"version": "2"})):
        shutil.copytree(folder / "onnx", place)
        card = {**model_folder.read_manifest(place), **change}
        (place / model_folder.MANIFEST).write_text(json.dumps(card), encoding="utf-8")
        names = [file.name for file in place.iterdir() if file.name != model_folder.SUMS]
        (place / model_folder.SUMS).write_text(model_folder.sums(place, names), encoding="utf-8")


def _measure(server: Server, folder: Path, body: Path, connections: int) -> dict[str, float]:
    # Each alone: one that hangs would keep a core busy beside the others, too.
    with started(server, folder) as port:
        if server is not SERVERS[0]:
            _wait_for_challenger(folder / f"{port}.log")
        arguments = f"{port} {server.path} {body} {connections} {SECONDS}"
        found = json.loads(run(f"{PYTHON} {BENCH / 'http_load.py'} {arguments}", folder))
        with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            metrics = answer.read().decode()
    rows = _count(metrics, "predicted_rows_total")
    answered = _count(metrics, 'challenger_rows_total{outcome="answered"}')
    return {**found, "answered": answered / rows}


def _wait_for_challenger(log: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while '"challenger ready"' not in log.read_text(encoding="utf-8", errors="replace"):
        if time.monotonic() > deadline:
            raise BenchError(f"the challenger did not become ready within {READY_SECONDS} s")
        time.sleep(0.05)


def _count(metrics: str, name: str) -> float:
    found = re.search(rf"^{re.escape(name)} (\S+)$", metrics, re.MULTILINE)
    return float(found[1]) if found else 0.0


def _row(connections: int, name: str, found: Found) -> tuple[str, ...]:
    def median(key: str, of: str = name) -> float:
        return statistics.median(measured[key] for measured in found[connections, of])

    rate, p99 = median("per_second"), median("p99_ms")
    rates = [measured["per_second"] for measured in found[connections, name]]
    without = SERVERS[0].name
    return (
        str(connections),
        name,
        f"{median('p50_ms'):.2f}",
        f"{p99:.2f}",
        f"{rate:,.0f} ({min(rates):,.0f}–{max(rates):,.0f})",
        f"{rate / median('per_second', without):.2f}",
        f"{p99 / median('p99_ms', without):.2f}",
        "–" if name == without else f"{100 * median('answered'):.0f} %",
    )
