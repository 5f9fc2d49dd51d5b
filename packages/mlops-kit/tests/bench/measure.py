"""Time two ways of doing the same thing, side by side."""

from __future__ import annotations

import os
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# make hands these to its children. Without them a measured make decides for itself, as it does for a user.
FROM_MAKE = ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "VIRTUAL_ENV", "SET")


class BenchError(Exception):
    """Why there is nothing to measure, in one sentence."""


@dataclass
class Side:
    """One of the two: shell commands, run one after another and timed together."""

    label: str
    commands: list[str]
    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    before: Callable[[], Any] = lambda: None  # not timed

    def seconds(self) -> float:
        """Run once."""
        self.before()
        start = time.perf_counter()
        for command in self.commands:
            run(command, self.folder, self.environment)
        return time.perf_counter() - start


@dataclass
class Comparison:
    """Ours against its peer; `aim` is the largest ratio that we want to see."""

    name: str
    ours: Side
    peer: Side
    aim: float
    runs: int
    note: str
    warm_up: bool = True


@dataclass
class Result:
    """The seconds of both sides of a comparison."""

    comparison: Comparison
    ours: list[float]
    peer: list[float]

    @property
    def ratio(self) -> float:
        """Our median by the peer's: below 1 we are faster."""
        return statistics.median(self.ours) / statistics.median(self.peer)

    @property
    def met(self) -> bool:
        """Return whether the ratio is what we aim for, to the two digits that are printed."""
        return round(self.ratio, 2) <= self.comparison.aim


@dataclass
class Table:
    """The result of a part that is more than two sides and their seconds."""

    name: str
    header: tuple[str, ...]
    rows: list[tuple[str, ...]]
    note: str
    facts: list[dict[str, Any]]


def compare(comparison: Comparison) -> Result:
    """Measure both sides in turn (A B A B), so that a busy minute hits both."""
    sides = (comparison.ours, comparison.peer)
    if comparison.warm_up:
        for side in sides:
            print(f"{comparison.name}: warm-up, {side.label} …", flush=True)
            side.seconds()
    times: tuple[list[float], list[float]] = ([], [])
    for number in range(1, comparison.runs + 1):
        for side, taken in zip(sides, times):
            print(
                f"{comparison.name}: {number}/{comparison.runs}, {side.label} …",
                end=" ",
                flush=True,
            )
            taken.append(side.seconds())
            print(f"{taken[-1]:.1f} s", flush=True)
    return Result(comparison, *times)


def spread(seconds: list[float], digits: int) -> str:
    """Return a median, with the fastest and the slowest."""
    figures = (statistics.median(seconds), min(seconds), max(seconds))
    return "{} ({}–{})".format(*(f"{one:.{digits}f}" for one in figures))


def free_port() -> int:
    """Return a port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def run(command: str, folder: Path, environment: dict[str, str] | None = None) -> str:
    """Run `command` by the shell and return what it printed.

    Raises:
        BenchError: It ended with anything but 0; the end of its output is printed first.
    """
    surroundings = {name: value for name, value in os.environ.items() if name not in FROM_MAKE}
    # A file and not a pipe: reading along would cost the measured command time.
    with tempfile.TemporaryFile() as log:
        done = subprocess.run(
            command,
            shell=True,
            cwd=folder,
            env={**surroundings, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        log.seek(0)
        output = log.read().decode("utf-8", errors="replace")
    if done.returncode != 0:
        print("\n" + "\n".join(output.splitlines()[-30:]), flush=True)
        raise BenchError(f"`{command}` failed with exit code {done.returncode}; see above")
    return output
