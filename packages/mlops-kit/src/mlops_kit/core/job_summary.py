"""The job summary, reports/summary.md: CI systems show it, and notifications include it."""

from __future__ import annotations

import re
from pathlib import Path

from .files import write_text

FILE = Path("reports/summary.md")


def table(head: list[str], rows: list[list[str]]) -> list[str]:
    """Return the lines of a Markdown table, followed by an empty line."""
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    for row in rows:
        cells = (cell.replace("|", "\\|").replace("\n", " ") for cell in row)
        lines.append(f"| {' | '.join(cells)} |")
    return [*lines, ""]


def put_section(title: str, lines: list[str]) -> None:
    """Write a section: replace the one with this title, or append it.

    Raises:
        OSError: The file cannot be written.
    """
    before = FILE.read_text(encoding="utf-8") if FILE.is_file() else ""
    kept = re.sub(rf"^## {re.escape(title)}\n.*?(?=^## |\Z)", "", before, flags=re.M | re.S).strip()
    section = "\n".join([f"## {title}", "", *lines]).strip()
    write_text(FILE, "\n\n".join(part for part in (kept, section) if part) + "\n")
