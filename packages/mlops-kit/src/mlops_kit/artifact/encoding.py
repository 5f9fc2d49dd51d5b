"""The pipeline's first step (experiments/encode.py) without scikit-learn or pandas: it encodes rows as numbers."""

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
# Validated rows by column: a sequence of floats, booleans, strings or naive datetimes in UTC; None where a value is missing.
Values = Mapping[str, Sequence[Any]]

_EPOCH = datetime.datetime(1970, 1, 1)
_MICROSECOND = datetime.timedelta(microseconds=1)
_MICROSECONDS_A_DAY = 24 * 3600 * 1e6
# From this many rows, struct builds the array in less than half of NumPy's time; for one row NumPy is faster.
_PACKED_ROWS = 8


def _days(date: datetime.datetime) -> float:
    return float((date - _EPOCH) // _MICROSECOND) / _MICROSECONDS_A_DAY


# The parts of a naive datetime in UTC, by their names in model.json.
_PARTS: dict[str, Callable[[datetime.datetime], float]] = {
    "days since 1970": _days,
    "month": attrgetter("month"),
    "day": attrgetter("day"),
    "weekday": methodcaller("weekday"),
    "hour": attrgetter("hour"),
}


class Encoder:
    """Encodes the values of rows as an array with `width` columns.

    Their order: category codes, target-encoded categories, numbers, booleans, the parts of each date, and the columns that
    features.py derives.
    """

    def __init__(self, columns: list[dict[str, Any]], derived: list[str]) -> None:
        """Take `columns` of model.json, and the names of the columns that features.py derives."""
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
        """Return the encoded rows as float64, shape (rows, width).

        A missing number, boolean or date is NaN; a missing category has the encoding that the pipeline gives it.
        """
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
        """Return the name of the column of each category that training did not see, once for each such value."""
        known = self._known.items()
        return [name for name, texts in known for text in values[name] if text not in texts]


def in_rows(values: Values) -> list[dict[str, Any]]:
    """Return a dict for each row, from column names to values."""
    return [dict(zip(values, row)) for row in zip(*values.values())]


def _across(rows: list[Any], width: int) -> list[Sequence[Any]]:
    """Transpose rows of `width` numbers each into columns, also where there are no rows."""
    return list(zip(*rows)) or [()] * width


def _matrix(columns: list[Sequence[Any]]) -> Array:
    """Return float64 of shape (rows, columns) in row-major order, as the model reads it; None becomes NaN."""
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
    """Return a column's name, the encoding of each category and of None (missing), and that of an unseen category."""
    known = dict(zip(column["categories"], column[f"{what}s"]))
    known[None] = column[f"missing_{what}"]
    return column["name"], known, column[f"unseen_{what}"]
