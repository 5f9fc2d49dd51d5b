"""Compute metrics on slices: groups of rows of the test set."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mlops_kit.core.errors import UserError

from .metrics import estimates, goodness, value
from .predictions import Predictions
from .settings import TrainConfig

_MOST_GROUPS = 100


@dataclass(frozen=True)
class Slice:
    """The rows in which `column` has the value, or is in the quartile, that `group` names.

    `code` distinguishes groups of the same name: a category called "missing", quartiles equal to six digits.
    """

    column: str
    code: int
    group: str
    rows: int
    value: float


def check(config: TrainConfig, rows: Any) -> None:
    """Check that the column whose groups are validated is a feature.

    Raises:
        UserError: It is not.
    """
    wanted = config.validation.slices
    if wanted and wanted.column not in rows:
        raise UserError(
            f"validation.slices.column is {wanted.column!r}, which is no feature of {config.data.source}"
        )


def of_column(
    metric: str, rows: Any, column: str, predictions: Predictions, min_rows: int
) -> list[Slice]:
    """Return each group of `column` that has at least `min_rows` rows and in which the metric is defined."""
    codes, names = _groups(rows[column])
    found = []
    for code, group in enumerate(names):
        mask = codes == code
        if (count := int(mask.sum())) < min_rows:
            continue
        measured = value(metric, predictions.part(mask))
        # A metric can be undefined in a group: the area under the curve, where it holds one class.
        if not math.isnan(measured):
            found.append(Slice(column, code, group, count, measured))
    return found


def worst_first(metric: str, found: list[Slice]) -> list[Slice]:
    """Return the slices by their value, the worst first."""
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
    """Return the `most` worst groups over all columns with their intervals, and how many groups there were."""
    found = [
        each
        for column in rows
        # The groups of a column with hundreds of categories are too many to act on.
        if not (rows[column].dtype == object and rows[column].nunique() > _MOST_GROUPS)
        for each in of_column(metric, rows, column, predictions, min_rows)
    ]
    described = []
    shown = worst_first(metric, found)[:most]
    codes = {column: _groups(rows[column])[0] for column in {each.column for each in shown}}
    for each in shown:
        of_group = predictions.part(codes[each.column] == each.code)
        interval = estimates((metric,), of_group, confidence, seed)[metric]
        described.append({**vars(each), **vars(interval)})
    return {"metric": metric, "min_rows": min_rows, "groups": len(found), "worst": described}


def _groups(values: Any) -> tuple[npt.NDArray[np.intp], list[str]]:
    """Return each row's group, shape (rows,), as a position in the list of the groups' names, and that list.

    A group is a value, or "missing"; numbers of more than four distinct values are grouped by quartile, dates by year first.
    """
    if pd.api.types.is_datetime64_any_dtype(values):
        values = values.dt.year
    if pd.api.types.is_numeric_dtype(values) and values.nunique() > 4:
        low = values.min()  # the first bin of qcut begins a little below it
        quarters = pd.qcut(values, 4, duplicates="drop").cat
        names = [f"{max(q.left, low):.6g} to {q.right:.6g}" for q in quarters.categories]
        codes = quarters.codes.to_numpy()
    else:
        codes, found = pd.factorize(values, sort=True)
        is_number = pd.api.types.is_numeric_dtype(values)
        names = [f"{each:.6g}" if is_number else str(each) for each in found]
    return np.where(codes < 0, len(names), codes), [*names, "missing"]
