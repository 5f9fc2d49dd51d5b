"""What a command says while it works: a spinner on a terminal, plain lines in CI and pipes."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.table import Table

# Rich folds at 80 columns where it finds no terminal; logs are better left unfolded.
_WIDTH = None if sys.stdout.isatty() else 160
_console = Console(highlight=False, markup=False, emoji=False, width=_WIDTH)


class Step:
    """A running step; `detail` is printed behind its name when it ends."""

    detail = ""


@contextmanager
def step(name: str) -> Iterator[Step]:
    """Show that `name` is running, then print one line with its detail and seconds."""
    running = Step()
    start = time.perf_counter()
    if _console.is_terminal:
        with _console.status(f"{name} …"):
            yield running
    else:
        yield running
    seconds = time.perf_counter() - start
    say(f"{name:<10} {running.detail} ({seconds:.1f} s)")


def say(text: str) -> None:
    """Print one line."""
    _console.print(text, soft_wrap=True)


def show_table(title: str, columns: list[str], rows: list[list[str]]) -> None:
    """Print a table; the first column is left-aligned, the others right."""
    table = Table(title=title, title_justify="left")
    for index, column in enumerate(columns):
        table.add_column(column, justify="left" if index == 0 else "right")
    for row in rows:
        table.add_row(*row)
    _console.print(table)
