"""Time this project's commands against what a person would use instead; `make bench` runs it.

`make bench BENCH="train gates" RUNS=5` measures only these parts, five times each. It is no gate:
the exit code is 0 whether or not an aim is met, and 2 when something could not be measured.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from commands import commands
from deploying import deploying
from gates import gates
from growing import growing
from load import load
from measure import BenchError, Comparison, Result, Table, compare
from monitor import monitor
from ownership import ownership
from parts import ROOT, install, install_again, pip, train
from report import aligned, compared, machine, write
from scoring import scoring
from serving import serving
from shadow import shadow
from sizes import sizes
from tables import tables

from image import image

COMPARISONS: dict[str, Callable[[Path, int], list[Comparison]]] = {
    "install": install,
    "install-again": install_again,
    "gates": gates,
    "train": train,
    "pip": pip,
}
TABLES = {
    "ownership": ownership,
    "commands": commands,
    "sizes": sizes,
    "grow": growing,
    "score": scoring,
    "serve": serving,
    "load": load,
    "image": image,
    "deploy": deploying,
    "monitor": monitor,
    "shadow": shadow,
    "tables": tables,
}


def main() -> None:
    """Measure, print and write."""
    names, runs = _options()
    reports = ROOT / "reports"
    reports.mkdir(exist_ok=True)
    described = machine()  # before our own work is part of its load
    start = time.perf_counter()
    results: list[Result] = []
    own: list[Table] = []
    for name in names:
        # Not in /tmp: links from a download cache work only within one file system, and it may be small.
        with tempfile.TemporaryDirectory(dir=reports, prefix=".bench-") as scratch:
            if name in TABLES:
                own.append(TABLES[name](Path(scratch), runs))
            else:
                results += map(compare, COMPARISONS[name](Path(scratch), runs))
        # After each: who stops a run of an hour keeps what it has found.
        tables = [compared(results), *own] if results else own
        write(tables, reports, described)
    for table in tables:
        print(f"\n{aligned(table)}\n{table.note}.")
    print(f"\nbench: reports/bench.md and reports/bench.json ({time.perf_counter() - start:.0f} s)")


def _options() -> tuple[list[str], int]:
    names = os.environ.get("BENCH", "").split() or [*COMPARISONS, *TABLES]
    for name in names:
        if name not in (*COMPARISONS, *TABLES):
            raise BenchError(f"BENCH has {name!r}; accepted: {', '.join([*COMPARISONS, *TABLES])}")
    runs = os.environ.get("RUNS", "3")
    if not runs.isdecimal() or int(runs) < 1:
        raise BenchError(f"RUNS is {runs!r}; accepted: a whole number, 1 or more")
    return names, int(runs)


try:
    main()
except BenchError as error:
    print(f"error: {error}", file=sys.stderr)
    sys.exit(2)
except KeyboardInterrupt:
    sys.exit(130)
