"""Derive columns from others. The same function runs in training, in the service and in batch predictions."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt

Arrays = dict[str, npt.NDArray[Any]]


def derive(columns: Arrays) -> Arrays:
    """Return the derived columns by name: arrays of numbers, each of shape (rows,), as in `columns`.

    Numbers and booleans are float64, NaN where missing; categories are strings, None where missing; dates are
    datetime64[us] in UTC, NaT where missing. Infinite results count as missing. Use NumPy only: the service's image has no
    pandas. Derive each row from that row alone, because requests have few rows; it is called without rows first, to learn
    the names. For example:

        return {"rooms per person": columns["rooms"] / columns["persons"]}
    """
    return {}
