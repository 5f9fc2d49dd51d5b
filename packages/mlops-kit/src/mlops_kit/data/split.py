"""Which rows are held out: decided by content, so that a row keeps its side."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mlops_kit.core.errors import UserError

from .columns import plain
from .row_hash import Content, of
from .settings import TableSettings

Places = npt.NDArray[np.int64]


def held_out(content: Content, target: Any, config: TableSettings) -> npt.NDArray[np.bool_]:
    """Return a mask, shape (rows,), of the rows that fit must not see.

    Each row gets a number from its content and the seed; within each class (in regression: over all
    rows) the lowest `split.test_size` of them are held out. So the split is stratified, does not
    depend on the rows' order, and exact copies, having the same number, stay on one side.

    Raises:
        UserError: A part would be left without rows of every class.
    """
    numbers, groups = content.numbers(target, config.seed), _groups(target, config.task)
    mask = np.zeros(len(target), dtype=bool)
    for group in pd.unique(groups):
        of_group = groups == group
        wanted = max(1, round(of_group.sum() * config.split.test_size))
        highest = np.sort(numbers[of_group])[wanted - 1]
        mask |= of_group & (numbers <= highest)
        _check_parts(mask[of_group], wanted, group, config)
    return mask


def places(rows: Any, target: Any, config: TableSettings) -> tuple[Places, Places]:
    """Return each row's place in a shuffled order of its class, and how many the class has; both (rows,).

    Copies share a place. The places modulo a number are stratified folds, and the lowest a stratified part.
    """
    numbers, groups = of(rows).numbers(target, config.seed), _groups(target, config.task)
    place, distinct = np.zeros((2, len(rows)), dtype=np.int64)
    for group in pd.unique(groups):
        of_group = groups == group
        place[of_group] = np.unique(numbers[of_group], return_inverse=True)[1]
        distinct[of_group] = place[of_group].max() + 1
    return place, distinct


def _groups(target: Any, task: str) -> Any:
    return target if task == "classification" else np.zeros(len(target))


def _check_parts(held: Any, wanted: int, group: Any, config: TableSettings) -> None:
    of_what = f" of class {plain(group)!r}" if config.task == "classification" else ""
    # Two rows are what the estimators need of each class to fit anything.
    if len(held) - held.sum() < 2:
        raise UserError(
            f"{len(held)} rows{of_what} are too few for split.test_size {config.split.test_size}:"
            " at least 2 distinct rows must be left to fit on, and 1 to judge on"
        )
    if held.sum() > wanted + 0.1 * len(held):
        raise UserError(
            f"the rows{of_what} are copies of so few distinct rows that duplicates would lie on both"
            f" sides of the split ({held.sum()} of {len(held)} held out, {wanted} wanted): remove"
            " duplicate rows, or keep a column that tells them apart"
        )
