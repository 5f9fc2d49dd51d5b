"""Encode rows as numbers, as the first step of the pipeline does (encode.py), without scikit-learn or pandas."""

from __future__ import annotations

import datetime
import math
import struct
from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter, methodcaller
from typing import Any

import numpy as np
import numpy.typing as npt

from mlops_kit.core import features

Array = npt.NDArray[np.float64]
# Checked rows, a sequence for each column: floats, booleans, texts or dates in UTC; None where a value is missing.
Values = Mapping[str, Sequence[Any]]

_EPOCH = datetime.datetime(1970, 1, 1)
_MICROSECOND = datetime.timedelta(microseconds=1)
_MICROSECONDS_A_DAY = 24 * 3600 * 1e6
# From so many rows on struct makes an array in less than half of NumPy's time; for one row NumPy is faster.
_PACKED_ROWS = 8


def _days(date: datetime.datetime) -> float:
    return float((date - _EPOCH) // _MICROSECOND) / _MICROSECONDS_A_DAY


# Of a date in UTC, which carries no zone.
_PARTS: dict[str, Callable[[datetime.datetime], float]] = {
    "days since 1970": _days,
    "month": attrgetter("month"),
    "day": attrgetter("day"),
    "weekday": methodcaller("weekday"),
    "hour": attrgetter("hour"),
}


class Encoder:
    """Turns the values of rows into an array.

    `width` is the number of the array's columns: numbered categories first, then the mean targets of categories, numbers,
    booleans, the parts of each date, and those that features.py derives.
    """

    def __init__(self, columns: list[dict[str, Any]], derived: list[str]) -> None:
        """Take the columns as model.json describes them, and the names of those that features.py derives."""
        by_kind: dict[str, list[dict[str, Any]]] = {
            kind: [column for column in columns if column["kind"] == kind]
            for kind in ("categorical", "numeric", "boolean", "date")
        }
        texts = by_kind["categorical"]
        self._known = {column["name"]: {None, *column["categories"]} for column in texts}
        self._codes = [_table(column, "code") for column in texts if "codes" in column]
        self._means = [_table(column, "mean") for column in texts if "means" in column]
        self._plain = [column["name"] for column in by_kind["numeric"] + by_kind["boolean"]]
        self._dates = [
            (column["name"], [_PARTS[part] for part in column["parts"]])
            for column in by_kind["date"]
        ]
        self._kinds = {column["name"]: column["kind"] for column in columns}
        self._derived = derived
        self._own = len(self._codes) + len(self._plain)
        self._own += sum(len(unseen) for _, _, unseen in self._means)
        self._own += sum(len(parts) for _, parts in self._dates)
        self.width = self._own + len(derived)

    def matrix(self, values: Values) -> Array:
        """Return an array of shape (rows, width); a missing value is NaN, or its category's number."""
        columns: list[Sequence[Any]] = [
            [codes.get(text, unseen) for text in values[name]]
            for name, codes, unseen in self._codes
        ]
        for name, means, unseen in self._means:
            columns += _across([means.get(text, unseen) for text in values[name]], len(unseen))
        columns += [values[name] for name in self._plain]
        for name, parts in self._dates:
            columns += [
                [None if date is None else part(date) for date in values[name]] for part in parts
            ]
        own = _matrix(columns)
        if not self._derived:
            return own
        arrays = {
            name: np.array(values[name], dtype=features.TYPES[kind])
            for name, kind in self._kinds.items()
        }
        return np.column_stack([own, features.matrix(arrays, self._derived)])

    def unseen(self, values: Values) -> list[str]:
        """Return, for each value that is no category seen in training, the name of its column."""
        known = self._known.items()
        return [name for name, texts in known for text in values[name] if text not in texts]


def in_rows(values: Values) -> list[dict[str, Any]]:
    """Return the same values as a mapping of column names to values for each row."""
    return [dict(zip(values, row)) for row in zip(*values.values())]


def _across(rows: list[Any], width: int) -> list[Sequence[Any]]:
    """Return columns for rows of `width` numbers each."""
    return list(zip(*rows)) or [()] * width


def _matrix(columns: list[Sequence[Any]]) -> Array:
    """Return an array of shape (rows, columns), in rows, because the model reads it so; None becomes NaN."""
    count = len(columns[0])
    if count < _PACKED_ROWS:
        return np.ascontiguousarray(np.array(columns, dtype=np.float64).T)
    pack = struct.Struct(f"{count}d").pack
    packed = []
    for column in columns:
        try:
            packed.append(pack(*column))
        except struct.error:
            packed.append(pack(*[math.nan if value is None else value for value in column]))
    return np.array(np.frombuffer(b"".join(packed)).reshape(len(columns), count).T, order="C")


def _table(column: dict[str, Any], what: str) -> tuple[str, dict[Any, Any], Any]:
    """Return a column's name, the encoding of each category, with None for a missing one, and that of an unseen one."""
    known = dict(zip(column["categories"], column[f"{what}s"]))
    known[None] = column[f"missing_{what}"]
    return column["name"], known, column[f"unseen_{what}"]
