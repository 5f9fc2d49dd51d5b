"""Columns derived from others. The same function runs in training, in the service and over whole files."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt

Arrays = dict[str, npt.NDArray[Any]]


def derive(columns: Arrays) -> Arrays:
    """Return numbers by the names of their columns, each of shape (rows,) like those of `columns`.

    Numbers and booleans come as float64, NaN where missing; categories as texts or None; dates as datetime64[us] in UTC,
    NaT where missing. What is not finite counts as missing. Use NumPy only, which is all that the service's image has:

        return {"rooms per person": columns["rooms"] / columns["persons"]}
    """
    return {}
