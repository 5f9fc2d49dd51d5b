"""The result of monitoring."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Optional

from mlops_kit.experiments.report.numbers import interval, number

from .drift import SHARES, Finding
from .performance import Performance

INSUFFICIENT_DATA, CLEAN, DRIFTED = "insufficient data", "clean", "drifted"


@dataclass
class Outcome:
    """The findings and their `status`: "insufficient data", "clean" or "drifted"; times are ISO 8601 strings in UTC.

    `before` are the estimates of each metric on the test set.
    """

    model: str
    version: str
    since: str
    until: str
    status: str = INSUFFICIENT_DATA
    rows: int = 0
    notes: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    performance: Optional[Performance] = None
    before: dict[str, dict[str, float]] = field(default_factory=dict)

    def tripped(self) -> list[str]:
        """Return a sentence for each finding past its threshold, and for a worse metric; none has a value of the data."""
        sentences = [_sentence(each) for each in self.findings if each.drifted]
        done = self.performance
        if done and done.worse:
            now, before = vars(done.metrics[done.metric]), self.before[done.metric]
            sentences.append(
                f"{done.metric} is {number(now['value'])} ({interval(now)}) on {done.labels:,} labelled rows,"
                f" worse than {number(before['value'])} ({interval(before)}) on the test set"
            )
        return sentences


def _sentence(found: Finding) -> str:
    if found.what in SHARES:
        return f"{found.column}: {found.what} values went from {found.before} to {found.now}"
    return f"{found.column}: the {found.what} moved by {found.distance:.2f} (p {found.p:.1g})"
