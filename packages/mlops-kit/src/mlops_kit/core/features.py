"""Call the project's features.py, which derives columns from others, in the same way in training and prediction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from . import project
from .errors import UserError, one_line

Arrays = dict[str, npt.NDArray[Any]]

# The largest float32: scikit-learn's forests reject larger numbers, and an overflow has no JSON representation.
LARGEST = 3.4028234663852886e38

# The NumPy type of each kind of column.
TYPES = {
    "numeric": "float64",
    "boolean": "float64",
    "categorical": "object",
    "date": "datetime64[us]",
}

_WITHOUT_ROWS = (
    " (it is called without rows first, to learn the names: derive each row from that row alone)"
)


def names(kinds: Mapping[str, str]) -> list[str]:
    """Return the names of the columns that features.py derives from columns of these kinds.

    Raises:
        UserError: features.py fails, or derives a column that the data already has.
    """
    # What fails without rows, like a maximum or the first row, would differ between training and one request.
    without_rows: Arrays = {name: np.empty(0, dtype=TYPES[kind]) for name, kind in kinds.items()}
    found = list(_derived(without_rows, _WITHOUT_ROWS))
    taken = [name for name in found if name in kinds]
    if taken:
        raise UserError(
            f"features.py derives {taken[0]!r}, which is a column of the data: rename it"
        )
    return found


def matrix(arrays: Arrays, expected: list[str]) -> npt.NDArray[np.float64]:
    """Return the derived columns `expected` as float64, shape (rows, columns).

    Missing, infinite and numbers outside float32's range are NaN. `arrays` are the columns by name, each of shape (rows,):
    float64 for numbers and booleans, NaN where missing; objects for strings, None where missing; datetime64[us] in UTC, NaT
    where missing.

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


def _derived(arrays: Arrays, advice: str = "") -> Arrays:
    with np.errstate(all="ignore"):  # a division by zero is a missing value, not a warning
        try:
            return dict(project.current().derive(arrays))
        except Exception as error:  # the project's code may raise anything
            raise UserError(
                f"derive in features.py failed: {type(error).__name__}: {one_line(error)}{advice}"
            ) from error
