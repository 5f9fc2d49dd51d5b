"""The output of a command while it works: a spinner on a terminal, plain lines in CI and pipes."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

# Without a terminal, rich wraps lines at 80 columns, which makes logs hard to read.
_WIDTH = None if sys.stdout.isatty() else 160
_SECONDS_BETWEEN_LINES = 5
_console = Console(highlight=False, markup=False, emoji=False, width=_WIDTH)


class Step:
    """A running step; `detail` is printed after its name when it ends."""

    detail = ""


@contextmanager
def step(name: str) -> Iterator[Step]:
    """Show that `name` is running, then print one line with its detail and duration in seconds."""
    running = Step()
    start = time.perf_counter()
    if _console.is_terminal:
        with _console.status(f"{name} …"):
            yield running
    else:
        yield running
    seconds = time.perf_counter() - start
    echo(f"{name:<10} {running.detail} ({seconds:.1f} s)")


@contextmanager
def progress(name: str) -> Iterator[Callable[[float, str], None]]:
    """Show the progress of a long step: a bar on a terminal, else a line every few seconds.

    Yields a function to call with the fraction that is done, 0 to 1, and a detail.
    """
    if not _console.is_terminal:
        yield _Lines(name).show
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[detail]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=_console, transient=True) as bar:
        _console.show_cursor()  # a process that a signal ends would leave the cursor hidden
        task = bar.add_task(name, total=1.0, detail="")
        yield lambda share, detail: bar.update(task, completed=share, detail=detail)


class _Lines:
    def __init__(self, name: str) -> None:
        self._name, self._last = name, time.monotonic()

    def show(self, share: float, detail: str) -> None:
        if time.monotonic() - self._last >= _SECONDS_BETWEEN_LINES:
            self._last = time.monotonic()
            echo(f"{self._name:<10} {share:4.0%} {detail}")


def echo(text: str) -> None:
    """Print one line."""
    _console.print(text, soft_wrap=True)


def show_table(title: str, columns: list[str], rows: list[list[str]]) -> None:
    """Print a table, the first column left-aligned, the others right-aligned; cells that are too wide are wrapped."""
    table = Table(title=title, title_justify="left")
    for index, column in enumerate(columns):
        justify: Literal["left", "right"] = "left" if index == 0 else "right"
        table.add_column(column, justify=justify, overflow="fold")
    for row in rows:
        table.add_row(*row)
    _console.print(table)
