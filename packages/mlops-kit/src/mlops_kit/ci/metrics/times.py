"""The durations of make targets, as timed.py recorded them, compared with earlier ones."""

from __future__ import annotations

import json
from statistics import median
from typing import NamedTuple

from mlops_kit.core import job_summary
from mlops_kit.core.errors import UserError

from .timed import FILE, REPORT

COLUMNS = ["target", "s", "median before", "exit"]

_LEAST = 5  # earlier builds that a baseline needs
_SLOWER = 1.5  # a regression takes more than this times the median,
_SECONDS = 5  # and this many seconds more than the median: less is noise


class Timing(NamedTuple):
    """The duration of a target, `seconds`, in a build of `commit` on a kind of machine, `runner`."""

    target: str
    seconds: float
    exit: int
    commit: str
    runner: str
    cache_hit: bool


def read() -> list[Timing]:
    """Return the last timing of each target since the last `make ci-times` that succeeded.

    Raises:
        UserError: The file is damaged.
    """
    timings: dict[str, Timing] = {}
    try:
        for line in FILE.read_text(encoding="utf-8").splitlines():
            noted = json.loads(line)
            timing = Timing(**{name: noted[name] for name in Timing._fields})
            timings[timing.target] = timing
            if timing.target == REPORT and timing.exit == 0:
                timings.clear()
    except FileNotFoundError:
        return []
    except (ValueError, KeyError, TypeError):
        raise UserError(f"{FILE} is damaged: remove it, make writes a new one") from None
    return list(timings.values())


def rows(timings: list[Timing], earlier: dict[str, list[float]]) -> list[list[str]]:
    """Return the table's rows, as in COLUMNS; `earlier` has the seconds of earlier builds for each target."""
    return [
        [
            timing.target,
            f"{timing.seconds:.1f}",
            f"{median(earlier[timing.target]):.1f}" if timing.target in earlier else "",
            str(timing.exit),
        ]
        for timing in timings
    ]


def regressions(timings: list[Timing], earlier: dict[str, list[float]]) -> list[str]:
    """Return a sentence for each target that took more than 1.5 times its median and more than 5 s longer."""
    sentences = []
    for timing in timings:
        before = earlier.get(timing.target, [])
        if len(before) < _LEAST or timing.exit:
            continue
        usual = median(before)
        if timing.seconds > _SLOWER * usual and timing.seconds > usual + _SECONDS:
            sentences.append(
                f"{timing.target} took {timing.seconds:.1f} s; the median of its last {len(before)}"
                f" on such a runner is {usual:.1f} s"
            )
    return sentences


def summarize(timings: list[Timing], earlier: dict[str, list[float]], warnings: list[str]) -> None:
    """Write the section on build times of reports/summary.md."""
    first = timings[0]
    lines = [
        f"{first.runner}; {'caches were' if first.cache_hit else 'no cache was'} restored.",
        "",
    ]
    for warning in warnings:
        lines += [f"**Slower than usual**: {warning}.", ""]
    lines += [*job_summary.table(COLUMNS, rows(timings, earlier))]
    job_summary.put_section("Build times", lines)
