"""Rows to numbers, as the first step of the pipeline does it (model.py), without scikit-learn or pandas."""

from __future__ import annotations

import datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from mlops_kit.core import features

Array = npt.NDArray[np.float64]

_EPOCH = datetime.datetime(1970, 1, 1)
_MICROSECOND = datetime.timedelta(microseconds=1)
_MICROSECONDS_A_DAY = 24 * 3600 * 1e6
_NO_DATE = [float("nan")] * 4


class Encoder:
    """Turns rows, one mapping of column names to values each, into an array.

    `width` is the number of the array's columns: categories first, then numbers, booleans, four for each date, and
    those that features.py derives.
    """

    def __init__(self, columns: list[dict[str, Any]], derived: list[str]) -> None:
        """Take the columns as model.json describes them, and the names of those that features.py derives."""
        by_kind: dict[str, list[dict[str, Any]]] = {
            kind: [column for column in columns if column["kind"] == kind]
            for kind in ("categorical", "numeric", "boolean", "date")
        }
        self._codes = [(column["name"], *_codes(column)) for column in by_kind["categorical"]]
        self._plain = [column["name"] for column in by_kind["numeric"] + by_kind["boolean"]]
        self._dates = [column["name"] for column in by_kind["date"]]
        self._kinds = {column["name"]: column["kind"] for column in columns}
        self._derived = derived
        own = len(self._codes) + len(self._plain) + len(_NO_DATE) * len(self._dates)
        self.width = own + len(derived)

    def matrix(self, rows: list[dict[str, Any]]) -> Array:
        """Return an array of shape (rows, width); what is missing is NaN, or its category's number."""
        # NumPy makes NaN of None.
        own = np.array([self._numbers(row) for row in rows], dtype=np.float64).reshape(
            len(rows), self.width - len(self._derived)
        )
        if not self._derived:
            return own
        arrays = {
            name: np.array([row[name] for row in rows], dtype=features.TYPES[kind])
            for name, kind in self._kinds.items()
        }
        return np.column_stack([own, features.matrix(arrays, self._derived)])

    def unseen(self, rows: list[dict[str, Any]]) -> list[str]:
        """Return, for each value that is no category seen in training, the name of its column."""
        return [name for name, codes, _ in self._codes for row in rows if row[name] not in codes]

    def _numbers(self, row: dict[str, Any]) -> list[Any]:
        numbers = [codes.get(row[name], unseen) for name, codes, unseen in self._codes]
        numbers += [row[name] for name in self._plain]
        for name in self._dates:
            numbers += _parts(row[name])
        return numbers


def _codes(column: dict[str, Any]) -> tuple[dict[Any, Any], Any]:
    codes = dict(zip(column["categories"], column["codes"]))
    codes[None] = column["missing_code"]
    return codes, column["unseen_code"]


def _parts(date: datetime.datetime | None) -> list[float]:
    """Return days since 1970, month, weekday and hour of a date in UTC, which carries no zone."""
    if date is None:
        return _NO_DATE
    microseconds = float((date - _EPOCH) // _MICROSECOND)
    return [microseconds / _MICROSECONDS_A_DAY, date.month, date.weekday(), date.hour]
