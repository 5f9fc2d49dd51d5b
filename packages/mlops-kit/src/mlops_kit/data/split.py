"""Split by content: a row stays in its part, the training set or the test set, when data is added."""

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
_FEWEST = 2
# Rows are few distinct ones where these are a smaller share, or their copies move more than this share to one side.
_DISTINCT = 0.1


def test_mask(content: Content, target: Any, config: TableSettings) -> npt.NDArray[np.bool_]:
    """Return a mask, shape (rows,), of the test set.

    Each row gets a number from its content and the seed; within each class (in regression: over all
    rows) the lowest `split.test_size` of them are the test set. So the split is stratified, does not
    depend on the rows' order, and exact copies, having the same number, stay on one side; but where so
    few rows are distinct that this would miss the share, copies are dealt one by one.

    Raises:
        UserError: A part would be left without rows of every class; or, under data.policy strict, too few
            rows are distinct.
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
    """Return each row's place in a shuffled order of its class, and how many the class has; both (rows,).

    Copies share a place, but where few rows are distinct. The places modulo a number are stratified folds, and the lowest
    a stratified part. With `parts`, a number for each row, each part of a class has an order of its own.
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
    return len(held) - count >= _FEWEST and count <= wanted + _DISTINCT * len(held)


def _check_parts(held: Any, wanted: int, group: Any, config: TableSettings) -> None:
    if _fits(held, wanted):
        return
    of_what = f" of class {plain(group)!r}" if config.task == "classification" else ""
    if len(held) - held.sum() < _FEWEST:
        raise UserError(
            f"{len(held)} rows{of_what} are too few for split.test_size {config.split.test_size}:"
            " at least 2 distinct rows are needed in the training set, and 1 in the test set"
        )
    raise UserError(
        f"the rows{of_what} are copies of so few distinct rows that duplicates would lie on both"
        f" sides of the split ({held.sum()} of {len(held)} in the test set, {wanted} wanted): remove"
        ' duplicate rows, keep a column that distinguishes them, or SET="data.policy=fix"'
    )
