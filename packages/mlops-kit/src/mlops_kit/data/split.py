"""Split by a hash of each row: when data is added, a row stays in the training set or the test set."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mlops_kit.core.errors import UserError

from .columns import plain
from .row_hash import Content, apart, of
from .settings import TableSettings

Places = npt.NDArray[np.int64]

# The estimators need two rows of each class to fit anything.
MIN_TRAIN_ROWS = 2
# Distinct rows are few if they are a smaller share than this, or if their copies add more than this to the test set.
_DISTINCT = 0.1


def test_mask(content: Content, target: Any, config: TableSettings) -> npt.NDArray[np.bool_]:
    """Return a mask, shape (rows,), of the test set.

    Each row is hashed with the seed; within each class (in regression: over all rows) the lowest
    `split.test_size` of the hashes are the test set. So the split is stratified, does not depend on the
    rows' order, and exact copies, having the same hash, stay on one side; only if so few rows are distinct
    that the share would be missed, copies are split one by one.

    Raises:
        UserError: A part would have too few rows of a class; or, under data.policy strict, too few rows are
            distinct.
    """
    numbers, groups = content.numbers(target, config.seed), _groups(target, config.task)
    mask = np.zeros(len(target), dtype=bool)
    for group in pd.unique(groups):
        of_group = groups == group
        wanted = count_test_rows(int(of_group.sum()), config)
        held = _lowest(numbers[of_group], wanted)
        if config.data.policy == "fix" and not _fits(held, wanted):
            held = _lowest(apart(numbers[of_group]), wanted)
        mask[of_group] = held
        _check_parts(held, wanted, group, config)
    return mask


def count_test_rows(rows: int, config: TableSettings) -> int:
    """Return how many of the rows of a class (in regression: of all) belong to the test set."""
    return max(1, round(rows * config.split.test_size))


def places(
    rows: Any, target: Any, config: TableSettings, parts: Any = None
) -> tuple[Places, Places]:
    """Return each row's position in a shuffled order of its class, and how many positions the class has; both (rows,).

    Copies share a position, unless few rows are distinct. Positions modulo k are k stratified folds, and the lowest
    positions are a stratified sample. With `parts`, a number for each row, shape (rows,), each part of a class is ordered
    by itself.
    """
    numbers, groups = of(rows).numbers(target, config.seed), _groups(target, config.task)
    if parts is not None:
        groups = pd.MultiIndex.from_arrays([groups, parts]).factorize()[0]
    place, distinct = np.zeros((2, len(rows)), dtype=np.int64)
    for group in pd.unique(groups):
        of_group = groups == group
        its_numbers = numbers[of_group]
        if len(np.unique(its_numbers)) < _DISTINCT * len(its_numbers):
            its_numbers = apart(its_numbers)
        place[of_group] = np.unique(its_numbers, return_inverse=True)[1]
        distinct[of_group] = place[of_group].max() + 1
    return place, distinct


def _groups(target: Any, task: str) -> Any:
    return target if task == "classification" else np.zeros(len(target))


def _lowest(numbers: Any, wanted: int) -> npt.NDArray[np.bool_]:
    return np.asarray(numbers <= np.sort(numbers)[wanted - 1], dtype=np.bool_)


def _fits(held: npt.NDArray[np.bool_], wanted: int) -> bool:
    """Return whether the test set has about as many rows as are wanted, and the training set enough."""
    count = int(held.sum())
    return len(held) - count >= MIN_TRAIN_ROWS and count <= wanted + _DISTINCT * len(held)


def _check_parts(held: Any, wanted: int, group: Any, config: TableSettings) -> None:
    if _fits(held, wanted):
        return
    of_what = f" of class {plain(group)!r}" if config.task == "classification" else ""
    if len(held) - held.sum() < MIN_TRAIN_ROWS:
        raise UserError(
            f"{len(held)} rows{of_what} are too few for split.test_size {config.split.test_size}:"
            f" at least {MIN_TRAIN_ROWS} distinct rows are needed in the training set, and 1 in the test set"
        )
    raise UserError(
        f"the rows{of_what} are copies of so few distinct rows that duplicates would lie on both"
        f" sides of the split ({held.sum()} of {len(held)} in the test set, {wanted} wanted): remove"
        ' duplicate rows, keep a column that distinguishes them, or SET="data.policy=fix"'
    )
