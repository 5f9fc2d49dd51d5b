"""How reading and fitting grow with the rows: seconds and memory of one process for each size."""

from __future__ import annotations

import json
import os
from pathlib import Path

from measure import Table, run
from parts import BENCH, PYTHON

COLUMNS = 20
# GROW_TO=10000000 goes on to the sizes that take minutes and gigabytes.
SIZES = (10_000, 100_000, 1_000_000, 10_000_000)
USUAL = 1_000_000


def growing(scratch: Path, runs: int) -> Table:
    """Seconds of reading and of the fit, and the peak memory, of `make train` and of pandas with scikit-learn alone."""
    facts, most = [], int(os.environ.get("GROW_TO", USUAL))
    for rows in (size for size in SIZES if size <= most):
        run(f"{PYTHON} {BENCH / 'grow_one.py'} write {rows} {COLUMNS} rows.parquet", scratch)
        for way in ("fit", "plain"):
            print(f"grow: {rows:,} rows, {way} …", end=" ", flush=True)
            output = run(f"{PYTHON} {BENCH / 'grow_one.py'} {way} rows.parquet", scratch)
            facts.append({"rows": rows, "way": way, **json.loads(output.splitlines()[-1])})
            print(f"{facts[-1]['fit_seconds']:.1f} s, {facts[-1]['peak_mb']:,.0f} MB", flush=True)
    header = ("rows", "by", "Parquet (MB)", "read and check (s)", "fit (s)", "peak memory (MB)")
    cells = [
        (
            f"{fact['rows']:,}",
            {"fit": "the kit", "plain": "scikit-learn alone"}[fact["way"]],
            f"{fact['file_mb']:,.0f}",
            f"{fact['read_seconds']:.1f}",
            f"{fact['fit_seconds']:.1f}",
            f"{fact['peak_mb']:,.0f}",
        )
        for fact in facts
    ]
    note = f"{COLUMNS} numbers a row, gradient boosting of 100 trees, one process, measured once"
    return Table("grow", header, cells, note, facts)
