"""Drift between two samples of rows: of each column, and of the model's predictions.

Each finding has a distance from 0 to 1 and a p-value, by SciPy: for numbers the two-sample Kolmogorov-Smirnov statistic and
test, for categories total variation distance and Pearson's chi-squared test, for shares their difference and Fisher's exact
test. p is adjusted for the number of tests (Benjamini and Hochberg, 1995). A finding is drift if both pass their threshold:
with many rows an irrelevant difference is significant, and with few a large one may be chance.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from mlops_kit.experiments.report.rows import summary

from .settings import MonitorConfig

Array = npt.NDArray[np.float64]

SHARES = ("missing", "unseen")

# Pearson's test is valid where the expected count of each cell is about this or more (Cochran, 1954).
_LEAST_EXPECTED = 5


@dataclass(frozen=True)
class Finding:
    """One comparison: `what` is values, missing, unseen or answers, which are predictions.

    `before` and `now` describe both samples; `p` is adjusted for the number of comparisons once `decide` has returned it.
    """

    column: str
    what: str
    before: str
    now: str
    distance: float
    p: float
    drifted: bool = False


class Column(NamedTuple):
    """One column of a sample: its values that are not missing, and how many of all `rows` are missing or unseen.

    `values` is empty where a column is private.
    """

    kind: str
    rows: int
    missing: int
    unseen: int
    values: Any = ()


def of_values(described: dict[str, Any], values: Any) -> Column:
    """Return the column of a series of values in the model's types; `described` is its entry in model.json."""
    present = values.dropna()
    unseen = int((~_seen(described, present)).sum())
    return Column(described["kind"], len(values), len(values) - len(present), unseen, present)


def of_flags(described: dict[str, Any], flags: Any) -> Column:
    """Return a private column, of which the service has recorded only flags: missing, seen or unseen."""
    counts = [int((flags == flag).sum()) for flag in ("missing", "unseen")]
    return Column(described["kind"], len(flags), *counts)


def _seen(described: dict[str, Any], present: Any) -> Any:
    """Return, for each value, whether it is a category of the training set, or within its range."""
    kind = described["kind"]
    if kind == "categorical":
        return present.isin(described["categories"])
    if kind == "boolean":
        return present.notna()
    low, high = described["minimum"], described["maximum"]
    if low is None:  # all values in training were missing
        return present.isna()
    if kind == "date":
        low, high = np.datetime64(low), np.datetime64(high)
    return (present >= low) & (present <= high)


def compare(name: str, before: Column, now: Column) -> list[Finding]:
    """Compare one column of two samples: its values, and its shares of missing and of unseen ones.

    >>> before, now = Column("numeric", rows=100, missing=1, unseen=0), Column("numeric", 50, 10, 0)
    >>> [(each.what, each.before, each.now, round(each.distance, 2)) for each in compare("age", before, now)]
    [('missing', '1.0%', '20.0%', 0.19)]
    """
    found = []
    for what in SHARES:
        counts = getattr(before, what), getattr(now, what)
        if any(counts):
            found.append(_shares(name, what, counts, (before.rows, now.rows)))
    if len(before.values) and len(now.values):
        found.append(_values(name, "values", before.kind, before.values, now.values))
    return found


def compare_answers(name: str, before: Any, now: Any) -> Finding:
    """Compare two series of predictions, numbers or classes."""
    is_number = pd.api.types.is_float_dtype(before)
    if is_number:
        # ONNX may differ from scikit-learn in the last digits, which breaks ties: trees predict few distinct numbers.
        now = pd.Series(_snapped(now.to_numpy(dtype=float), before.to_numpy()))
    return _values(name, "answers", "numeric" if is_number else "categorical", before, now)


def decide(findings: list[Finding], config: MonitorConfig) -> list[Finding]:
    """Return the findings with p adjusted for their number, and whether each has drifted; drift and large distances first."""
    if not findings:
        return []
    adjusted = stats.false_discovery_control([each.p for each in findings])
    decided = [
        replace(each, p=float(p), drifted=bool(p <= config.false_alarms and _matters(each, config)))
        for each, p in zip(findings, adjusted)
    ]
    return sorted(decided, key=lambda each: (not each.drifted, -each.distance))


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
    return Finding(name, what, summary(before, kind), summary(now, kind), distance, p)


def _categories(before: Any, now: Any) -> tuple[float, float]:
    """Return the total variation distance and the p-value of Pearson's chi-squared test; rare categories share cells."""
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
    """Return the index of each category's cell: its own, or one that it shares with other rare categories.

    `counts` has the shape (categories, 2). One cell for all rare categories would hide drift among them. Which of them share
    one depends on the names' hashes and the sums over both samples: if it depended on their differences, p would be wrong.
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
    if held < _LEAST_EXPECTED and cell > first:  # the rest is too small for a cell of its own
        cells[cells == cell] = cell - 1
    return cells


def _hash(name: str) -> bytes:
    # Python's own hash() of a text differs between processes.
    return hashlib.blake2b(name.encode(errors="backslashreplace"), digest_size=8).digest()


def _snapped(values: Array, known: Array) -> Array:
    """Return `values`, each replaced by the nearest of `known` if that is within 1e-4 standard deviations of `known`."""
    order = np.unique(known)
    after = np.clip(np.searchsorted(order, values), 1, len(order) - 1) if len(order) > 1 else 0
    low, high = order[np.maximum(np.asarray(after) - 1, 0)], order[after]
    nearest = np.where(values - low < high - values, low, high)
    close = np.abs(values - nearest) <= 1e-4 * (float(np.std(known)) or 1.0)
    return np.where(close, nearest, values)
