"""How the service's cost grows: more at once, more rows in a request; and what a million predictions cost."""

from __future__ import annotations

import json
import statistics
from pathlib import Path

import yaml
from measure import Table, run
from parts import BENCH, PYTHON, ROOT, copy_project
from serving import SECONDS, SERVERS, export, started

# Connections, and rows in each request.
LOADS = ((1, 1), (4, 1), (16, 1), (64, 1), (2, 10), (2, 100), (2, 1000))
PRICES = ROOT / "infra" / "prices.yaml"
CORES, GIGABYTES = 1, 2  # the least memory that Fargate gives a whole core; one process uses one
USED = 0.6  # where autoscaling in configs/deploy/production.yaml keeps the CPU


def load(scratch: Path, runs: int) -> Table:
    """Latency, rate and price of one process that serves the yardstick's model from ONNX."""
    folder = copy_project(scratch / "project")
    export(folder)
    card = json.loads(Path(folder, "onnx", "model.json").read_text(encoding="utf-8"))
    found: dict[tuple[int, int], list[dict[str, float]]] = {}
    with started(SERVERS[0], folder) as port:
        for number in range(1, runs + 1):
            for connections, rows in LOADS:
                body = folder / f"{rows}.json"
                body.write_text(json.dumps({"rows": [card["golden"][0]["row"]] * rows}))
                print(f"load: {number}/{runs}, {connections} × {rows} …", end=" ", flush=True)
                arguments = f"{port} /predict {body} {connections} {SECONDS}"
                result = json.loads(run(f"{PYTHON} {BENCH / 'http_load.py'} {arguments}", folder))
                found.setdefault((connections, rows), []).append(result)
                print(f"{result['per_second']:.0f} a second", flush=True)
    hour, origin = hour_price()
    return Table(
        name="load",
        header=(
            *("connections", "rows", "p50 (ms)", "p99 (ms)", "requests a second"),
            *("predictions a second", "US$ a million", "at 60 %"),
        ),
        rows=[_row(key, measured, hour) for key, measured in found.items()],
        note="One process from ONNX, 30 columns; medians (slowest–fastest of the runs). "
        f"The price is that of the task alone, {CORES} vCPU and {GIGABYTES} GB at {hour:.5f} US$ an hour {origin},"
        " busy all the time, and busy 60 % of it; load balancer, logs and traffic come on top",
        facts=[
            {"connections": connections, "rows": rows, "runs": measured}
            for (connections, rows), measured in found.items()
        ],
    )


def hour_price() -> tuple[float, str]:
    """Return US dollars for an hour of one task, and where the price is from."""
    table = yaml.safe_load(PRICES.read_text(encoding="utf-8"))
    prices = table["prices"]
    hour = CORES * prices["fargate_vcpu_hour"] + GIGABYTES * prices["fargate_gb_hour"]
    return hour, f"(infra/prices.yaml: {table['region']}, {table['date']})"


def million(hour: float, predictions_a_second: float) -> float:
    """Return US dollars for a million predictions by a task that is never idle."""
    return 1e6 / predictions_a_second / 3600 * hour


def _row(key: tuple[int, int], found: list[dict[str, float]], hour: float) -> tuple[str, ...]:
    connections, rows = key
    rates = [one["per_second"] for one in found]
    rate = statistics.median(rates)
    dollars = million(hour, rate * rows)
    return (
        str(connections),
        f"{rows:,}",
        f"{statistics.median(one['p50_ms'] for one in found):.2f}",
        f"{statistics.median(one['p99_ms'] for one in found):.2f}",
        f"{rate:,.0f} ({min(rates):,.0f}–{max(rates):,.0f})",
        f"{rate * rows:,.0f}",
        f"{dollars:.5f}",
        f"{dollars / USED:.5f}",
    )
