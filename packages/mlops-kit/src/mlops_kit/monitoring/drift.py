"""Whether two samples of rows are of one kind: column by column, and what the model says of them.

Each finding has a distance from 0 to 1 and a p-value, by SciPy: of numbers the two-sample test of Kolmogorov and
Smirnov, of categories Pearson's chi-squared, of shares Fisher's exact test. Both together decide: with many rows
a difference that matters to nobody is significant, and with few a large one may be chance.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from mlops_kit.experiments.report.rows import said

from .settings import MonitorConfig

Array = npt.NDArray[np.float64]

SHARES = ("missing", "unseen")

# Pearson's test is right where each cell is expected to hold about so many (Cochran, 1954).
_LEAST_EXPECTED = 5


@dataclass(frozen=True)
class Finding:
    """One comparison: `what` is values, missing, unseen or answers; `p` is adjusted for their number."""

    column: str
    what: str
    before: str
    now: str
    distance: float
    p: float
    drifted: bool = False


class Column(NamedTuple):
    """One column of a sample: the values that are there, and how many of all `rows` are missing or unseen.

    `values` are none where a column is private.
    """

    kind: str
    rows: int
    missing: int
    unseen: int
    values: Any = ()


def of_values(described: dict[str, Any], values: Any) -> Column:
    """Return a column of values in the model's types, that model.json describes."""
    present = values.dropna()
    unseen = int((~_seen(described, present)).sum())
    return Column(described["kind"], len(values), len(values) - len(present), unseen, present)


def of_flags(described: dict[str, Any], flags: Any) -> Column:
    """Return a private column, of which the service has written flags."""
    counts = [int((flags == flag).sum()) for flag in ("missing", "unseen")]
    return Column(described["kind"], len(flags), *counts)


def _seen(described: dict[str, Any], present: Any) -> Any:
    """Tell of each value whether it is a category that training saw, or within its range."""
    kind = described["kind"]
    if kind == "categorical":
        return present.isin(described["categories"])
    if kind == "boolean":
        return present.notna()
    low, high = described["minimum"], described["maximum"]
    if low is None:  # training saw none but missing values
        return present.isna()
    if kind == "date":
        low, high = np.datetime64(low), np.datetime64(high)
    return (present >= low) & (present <= high)


def compare(name: str, before: Column, now: Column) -> list[Finding]:
    """Compare one column of two samples: its values, its missing and its unseen ones."""
    found = []
    for what in SHARES:
        counts = getattr(before, what), getattr(now, what)
        if any(counts):
            found.append(_shares(name, what, counts, (before.rows, now.rows)))
    if len(before.values) and len(now.values):
        found.append(_values(name, "values", before.kind, before.values, now.values))
    return found


def compare_answers(name: str, before: Any, now: Any) -> Finding:
    """Compare what the model says, a series of numbers or classes each."""
    is_number = pd.api.types.is_float_dtype(before)
    if is_number:
        # What is served may differ from scikit-learn's answers far behind the point, and trees give few numbers.
        now = pd.Series(_snapped(now.to_numpy(dtype=float), before.to_numpy()))
    return _values(name, "answers", "numeric" if is_number else "categorical", before, now)


def judged(findings: list[Finding], config: MonitorConfig) -> list[Finding]:
    """Return the findings with p adjusted for how many they are, and whether each has drifted; the worst first."""
    if not findings:
        return []
    adjusted = stats.false_discovery_control([each.p for each in findings])
    told = [
        replace(each, p=float(p), drifted=bool(p <= config.false_alarms and _matters(each, config)))
        for each, p in zip(findings, adjusted)
    ]
    return sorted(told, key=lambda each: (not each.drifted, -each.distance))


def _matters(found: Finding, config: MonitorConfig) -> bool:
    return found.distance >= (config.share if found.what in SHARES else config.distance)


def _shares(name: str, what: str, counts: tuple[int, int], rows: tuple[int, int]) -> Finding:
    before, now = (count / of for count, of in zip(counts, rows))
    table = [[count, of - count] for count, of in zip(counts, rows)]
    p = float(stats.fisher_exact(table)[1])
    return Finding(name, what, f"{before:.1%}", f"{now:.1%}", abs(now - before), p)


def _values(name: str, what: str, kind: str, before: Any, now: Any) -> Finding:
    if kind in ("numeric", "date"):
        first, second = (each.to_numpy().astype(float) for each in (before, now))
        done = stats.ks_2samp(first, second, method="asymp")
        distance, p = float(done.statistic), float(done.pvalue)
    else:
        distance, p = _categories(before, now)
    return Finding(name, what, said(before, kind), said(now, kind), distance, p)


def _categories(before: Any, now: Any) -> tuple[float, float]:
    """Return total variation and Pearson's p-value; rare categories share cells."""
    counted = pd.concat([before.value_counts(), now.value_counts()], axis=1).fillna(0.0)
    counts = counted.to_numpy(dtype=float)
    cells = _cells([str(each) for each in counted.index], counts)
    table = np.column_stack([np.bincount(cells, weights=column) for column in counts.T])
    shares = table / table.sum(axis=0)
    distance = float(np.abs(shares[:, 0] - shares[:, 1]).sum() / 2)
    if len(table) < 2:
        return distance, 1.0
    return distance, float(stats.chi2_contingency(table, correction=False)[1])


def _cells(names: list[str], counts: Array) -> npt.NDArray[np.int64]:
    """Return the number of each category's cell: its own, or one with other rare ones that is expected to hold enough.

    One cell for all rare categories would hide whatever moves among them. Which of them meet is decided by a hash and
    by the sums over both samples: had it anything to do with how these differ, p would be wrong.
    """
    expected = counts.sum(axis=1) * counts.sum(axis=0).min() / counts.sum()
    rare = np.flatnonzero(expected < _LEAST_EXPECTED)
    cells = np.zeros(len(names), dtype=np.int64)
    cells[expected >= _LEAST_EXPECTED] = np.arange(len(names) - len(rare))
    first = cell = len(names) - len(rare)
    held = 0.0
    for each in sorted(rare, key=lambda place: _hash(names[place])):
        if held >= _LEAST_EXPECTED:
            cell, held = cell + 1, 0.0
        cells[each] = cell
        held += expected[each]
    if held < _LEAST_EXPECTED and cell > first:  # what is left over is no cell of its own
        cells[cells == cell] = cell - 1
    return cells


def _hash(name: str) -> bytes:
    # Python's own hash() of a text is another one in each process.
    return hashlib.blake2b(name.encode(errors="backslashreplace"), digest_size=8).digest()


def _snapped(values: Array, known: Array) -> Array:
    """Return `values`, each that is next to a known one replaced by it."""
    order = np.unique(known)
    after = np.clip(np.searchsorted(order, values), 1, len(order) - 1) if len(order) > 1 else 0
    low, high = order[np.maximum(np.asarray(after) - 1, 0)], order[after]
    nearest = np.where(values - low < high - values, low, high)
    close = np.abs(values - nearest) <= 1e-4 * (float(np.std(known)) or 1.0)
    return np.where(close, nearest, values)
