"""Say what was measured: a table for people, JSON for the rest."""

from __future__ import annotations

import json
import os
import platform
import statistics
import tempfile
from datetime import datetime, timezone
from pathlib import Path

from measure import Result, Table


def machine() -> dict[str, str]:
    """Describe the machine as it is now; `load` is how many processes wanted a core in the last minutes."""
    gigabytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "cores": f"{os.cpu_count()} × {_processor()}",
        "memory": f"{gigabytes:.0f} GiB",
        "system": platform.platform(),
        "python": platform.python_version(),
        "load": " ".join(f"{one:.1f}" for one in os.getloadavg()),
    }


def _processor() -> str:
    """Return the processor's model, where the system has it, else its architecture."""
    file = Path("/proc/cpuinfo")
    lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()


def write(tables: list[Table], folder: Path, machine: dict[str, str]) -> None:
    """Write bench.json and bench.md to `folder`, each whole or not at all."""
    date = datetime.now(timezone.utc).isoformat(timespec="seconds")
    facts = {table.name: table.facts for table in tables}
    content = {"date": date, "machine": machine, **facts}
    _replace(folder / "bench.json", json.dumps(content, indent=2) + "\n")

    lines = ["# Bench", "", f"{date} · {' · '.join(f'{k}: {v}' for k, v in machine.items())}"]
    for table in tables:
        lines += ["", _row(table.header), _row(["---"] * len(table.header))]
        lines += [_row(row) for row in table.rows]
        lines += ["", f"{table.note}."]
    _replace(folder / "bench.md", "\n".join(lines) + "\n")


def aligned(table: Table) -> str:
    """Return a table as text."""
    rows = [table.header, *table.rows]
    widths = [max(len(cell) for cell in column) for column in zip(*rows)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows
    )


def compared(results: list[Result]) -> Table:
    """Return the table of what was timed against a peer."""
    notes = [f"{result.comparison.name}: {result.comparison.note}" for result in results]
    return Table(
        name="comparisons",
        header=("what", "ours (s)", "peer (s)", "runs", "ratio", "aim", "met"),
        rows=[cells(result) for result in results],
        note="Median (fastest–slowest), taking turns; a ratio below 1 means that ours is faster. "
        + ". ".join(notes),
        facts=[_facts(result) for result in results],
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
