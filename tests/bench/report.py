"""Say what was measured: a table for people, JSON for the rest."""

from __future__ import annotations

import json
import os
import platform
import statistics
import tempfile
from datetime import datetime, timezone
from pathlib import Path

from measure import Result

HEADER = ("what", "ours (s)", "peer (s)", "runs", "ratio", "aim", "met")


def write(results: list[Result], folder: Path) -> None:
    """Write bench.json and bench.md to `folder`, each whole or not at all."""
    machine = {
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }
    date = datetime.now(timezone.utc).isoformat(timespec="seconds")
    content = {"date": date, "machine": machine, "comparisons": [_facts(r) for r in results]}
    _replace(folder / "bench.json", json.dumps(content, indent=2) + "\n")

    lines = ["# Bench", "", f"{date} · {' · '.join(f'{k}: {v}' for k, v in machine.items())}", ""]
    lines += [_row(HEADER), _row(["---"] * len(HEADER))]
    lines += [_row(cells(result)) for result in results]
    lines += ["", "Median (fastest–slowest) of the runs; the two sides took turns.", ""]
    lines += [f"- **{r.comparison.name}**: {r.comparison.note}." for r in results]
    _replace(folder / "bench.md", "\n".join(lines) + "\n")


def table(results: list[Result]) -> str:
    """Return the results as aligned text."""
    rows = [HEADER, *(cells(result) for result in results)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADER))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows
    )


def cells(result: Result) -> tuple[str, ...]:
    """Return one row of the table."""
    return (
        result.comparison.name,
        _seconds(result.ours),
        _seconds(result.peer),
        str(len(result.ours)),
        f"{result.ratio:.2f}",
        f"<= {result.comparison.aim}",
        "yes" if result.met else "no",
    )


def _facts(result: Result) -> dict[str, object]:
    return {
        "name": result.comparison.name,
        "ours": {"what": result.comparison.ours.label, "seconds": result.ours},
        "peer": {"what": result.comparison.peer.label, "seconds": result.peer},
        "ratio": result.ratio,
        "aim": result.comparison.aim,
        "met": result.met,
        "note": result.comparison.note,
    }


def _seconds(taken: list[float]) -> str:
    middle = f"{statistics.median(taken):.1f}"
    return middle if len(taken) == 1 else f"{middle} ({min(taken):.1f}–{max(taken):.1f})"


def _row(texts: tuple[str, ...] | list[str]) -> str:
    return f"| {' | '.join(texts)} |"


def _replace(path: Path, text: str) -> None:
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    Path(temporary).chmod(0o644)
    Path(temporary).replace(path)
