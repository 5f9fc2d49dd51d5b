"""Time this project's commands against what a person would use instead; `make bench` runs it.

`make bench BENCH="train gates" RUNS=5` measures only these parts, five times each. It is no gate:
the exit code is 0 whether or not an aim is met, and 2 when something could not be measured.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

from growing import growing
from measure import BenchError, Result, Table, compare
from parts import PARTS, ROOT
from report import aligned, compared, write
from serving import serving

from image import image

TABLES = {"serve": serving, "image": image, "grow": growing}


def main() -> None:
    """Measure, print and write."""
    names, runs = _asked_for()
    reports = ROOT / "reports"
    reports.mkdir(exist_ok=True)
    start = time.perf_counter()
    results: list[Result] = []
    tables: list[Table] = []
    for name in names:
        # Not in /tmp: links from a download cache work only within one file system, and it may be small.
        with tempfile.TemporaryDirectory(dir=reports, prefix=".bench-") as scratch:
            if name in TABLES:
                tables.append(TABLES[name](Path(scratch), runs))
            else:
                results.append(compare(PARTS[name](Path(scratch), runs)))
    if results:
        tables.insert(0, compared(results))
    write(tables, reports)
    for table in tables:
        print(f"\n{aligned(table)}\n{table.note}.")
    print(f"\nbench: reports/bench.md and reports/bench.json ({time.perf_counter() - start:.0f} s)")


def _asked_for() -> tuple[list[str], int]:
    names = os.environ.get("BENCH", "").split() or [*PARTS, *TABLES]
    for name in names:
        if name not in (*PARTS, *TABLES):
            raise BenchError(f"BENCH has {name!r}; accepted: {', '.join([*PARTS, *TABLES])}")
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
