"""Columns that the project derives from others: one function for training, the service and whole files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from . import project
from .errors import UserError, one_line

Arrays = dict[str, npt.NDArray[Any]]

# Numbers that float32 cannot hold: scikit-learn's forests refuse them, and what overflows has no JSON.
LARGEST = 3.4028234663852886e38

# The NumPy type of each kind of column.
TYPES = {
    "numeric": "float64",
    "boolean": "float64",
    "categorical": "object",
    "date": "datetime64[us]",
}


def names(kinds: Mapping[str, str]) -> list[str]:
    """Return the names of the columns that features.py derives from columns of these kinds.

    Raises:
        UserError: It fails, or derives a column that the data have.
    """
    found = list(_derived({name: np.empty(0, dtype=TYPES[kind]) for name, kind in kinds.items()}))
    taken = [name for name in found if name in kinds]
    if taken:
        raise UserError(
            f"features.py derives {taken[0]!r}, which is a column of the data: rename it"
        )
    return found


def matrix(arrays: Arrays, expected: list[str]) -> npt.NDArray[np.float64]:
    """Return the derived columns `expected`, shape (rows, columns); what is no number of float32's range is NaN.

    `arrays` are the columns by name, each of shape (rows,): float64 for numbers and booleans, NaN where missing; texts
    or None as objects; datetime64[us] in UTC, NaT where missing.

    Raises:
        UserError: features.py fails, derives other columns, or a column of another length.
    """
    rows = len(next(iter(arrays.values())))
    derived = _derived(arrays)
    if list(derived) != expected:
        raise UserError(
            f"features.py derives {', '.join(derived) or 'nothing'}; expected: {', '.join(expected)}"
        )
    found = np.empty((rows, len(expected)))
    for place, (name, values) in enumerate(derived.items()):
        try:
            found[:, place] = np.asarray(values, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise UserError(
                f"features.py: {name!r} is no array of {rows} numbers: {one_line(error)}"
            ) from None
    found[~(np.abs(found) <= LARGEST)] = np.nan
    return found


def _derived(arrays: Arrays) -> Arrays:
    with np.errstate(all="ignore"):  # a division by zero is a missing value, not a warning
        try:
            return dict(project.current().derive(arrays))
        except Exception as error:  # whatever the project's own code raises
            raise UserError(
                f"features.py failed: {type(error).__name__}: {one_line(error)}"
            ) from error
