"""The conversion of data frames to the values of requests, and to JSON."""

from __future__ import annotations

import datetime
from typing import Any

import numpy as np

from mlops_kit.core.values import date_text
from mlops_kit.data import Columns

from .encoding import Values

_OF_KIND = {"numeric": float, "boolean": bool, "categorical": str}


def parsed(columns: Columns, frame: Any) -> Values:
    """Return the rows of `frame`, which has the types of `columns`, as a validated request has them."""
    return {name: _values(kind, frame[name]) for name, kind in columns.kinds.items()}


def written(columns: Columns, row: dict[str, Any]) -> dict[str, Any]:
    """Return a row of such values as JSON has it: dates become strings, in the column's format or ISO 8601."""
    return {
        name: (
            date_text(value, columns.date_formats.get(name))
            if isinstance(value, datetime.datetime)
            else value
        )
        for name, value in row.items()
    }


def _values(kind: str, column: Any) -> list[Any]:
    present = column.notna().to_numpy()
    if kind == "date":
        # Through NumPy, because pandas would yield Timestamps instead of plain datetimes.
        values = column.to_numpy().astype("datetime64[us]").astype(object)
        return [value if there else None for value, there in zip(values, present)]
    of_kind = _OF_KIND[kind]
    return [of_kind(v) if there else None for v, there in zip(np.asarray(column), present)]
