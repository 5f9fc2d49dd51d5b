"""How a model does in groups of the held-out rows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import pandas as pd

from .evaluation import Predictions, estimates, goodness, value

_MOST_GROUPS = 100


@dataclass(frozen=True)
class Slice:
    """The rows in which `column` has the value, or lies in the quarter, that `group` names."""

    column: str
    group: str
    rows: int
    value: float


def of_column(
    metric: str, rows: Any, column: str, predictions: Predictions, min_rows: int
) -> list[Slice]:
    """Return each group of `column` that has at least `min_rows` rows and defines the metric."""
    groups = _groups(rows[column])
    found = []
    for group, count in groups.value_counts(sort=False).items():
        if count < min_rows:
            continue
        measured = value(metric, predictions.part((groups == group).to_numpy(dtype=bool)))
        # A metric can be undefined in a group: the area under the curve, where it holds one class.
        if not math.isnan(measured):
            found.append(Slice(column, str(group), int(count), measured))
    return found


def worst_first(metric: str, found: list[Slice]) -> list[Slice]:
    """Return the slices in the order of their value, the worst first."""
    return sorted(found, key=lambda each: goodness(metric, each.value))


def worst(
    metric: str,
    rows: Any,
    predictions: Predictions,
    confidence: float,
    seed: int,
    min_rows: int = 20,
    most: int = 10,
) -> dict[str, Any]:
    """Return the worst groups over all columns with their intervals, and among how many they were found."""
    found = [
        each
        for column in rows
        # A column of hundreds of names has no groups that anyone could act on.
        if not (rows[column].dtype == object and rows[column].nunique() > _MOST_GROUPS)
        for each in of_column(metric, rows, column, predictions, min_rows)
    ]
    told = []
    for each in worst_first(metric, found)[:most]:
        of_group = (_groups(rows[each.column]) == each.group).to_numpy(dtype=bool)
        interval = estimates((metric,), predictions.part(of_group), confidence, seed)[metric]
        told.append({**vars(each), "lower": interval.lower, "upper": interval.upper})
    return {"metric": metric, "min_rows": min_rows, "groups": len(found), "worst": told}


def _groups(values: Any) -> Any:
    """Name each row's group: its value; a number of more than four values falls into a quarter."""
    if pd.api.types.is_datetime64_any_dtype(values):
        values = values.dt.year
    if pd.api.types.is_numeric_dtype(values) and values.nunique() > 4:
        low = values.min()  # the first quarter begins a little below it
        quarters = pd.qcut(values, 4, duplicates="drop").astype(object)
        values = quarters.map(lambda q: f"{max(q.left, low):.6g} to {q.right:.6g}", "ignore")
    elif pd.api.types.is_numeric_dtype(values):
        values = values.map("{:.6g}".format, "ignore")
    return values.astype(object).where(values.notna(), "missing").map(str)
