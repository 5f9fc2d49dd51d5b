"""The weight of each row: the column that data.weight names."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mlops_kit.core.errors import UserError

from .columns import Columns, plain
from .settings import TableSettings

Weights = npt.NDArray[np.float64]


def of_rows(rows: Any, columns: Columns, config: TableSettings) -> Weights | None:
    """Return the weight of each row, shape (rows,), or None if the config names no column.

    Raises:
        UserError: The column holds anything but numbers of 0 or more, or lacks a value.
    """
    name = config.data.weight
    if name is None:
        return None
    if columns.kinds[name] != "numeric":
        raise UserError(
            f"data.weight {name!r} is {columns.kinds[name]}; accepted: a column of numbers, 0 or more"
        )
    values = rows[name]
    wrong = np.flatnonzero(~(values >= 0))  # also where it is NaN
    if len(wrong):
        value = values.iloc[wrong[0]]
        found = "lacks a number" if pd.isna(value) else f"holds {value:g}"
        raise UserError(
            f"data.weight {name!r} {found} in row {values.index[wrong[0]] + 1}; accepted: numbers, 0 or more, in every row"
        )
    return np.asarray(values.to_numpy(), dtype=np.float64)


def check_part(weights: Weights, target: Any, part: str, config: TableSettings) -> None:
    """Check that a part of the rows, in classification each class in it, has a weight above 0; `part` names it in errors.

    Raises:
        UserError: All weights of the part or of a class are 0.
    """
    for label in pd.unique(target) if config.task == "classification" else [None]:
        of_class = np.ones(len(target), dtype=bool) if label is None else target == label
        if not weights[of_class].any():
            of_what = "" if label is None else f" of class {plain(label)!r}"
            raise UserError(
                f"data.weight {config.data.weight!r} is 0 in every row{of_what} of {part}"
            )
