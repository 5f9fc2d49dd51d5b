"""Split by a column: by the time of the rows, or by the group that each belongs to."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mlops_kit.core.errors import UserError

from . import row_hash
from .columns import Columns, plain, shown
from .settings import TableSettings
from .split import MIN_TRAIN_ROWS

Mask = npt.NDArray[np.bool_]


def units(rows: Any, columns: Columns, config: TableSettings) -> npt.NDArray[Any] | None:
    """Return what each row is split by, shape (rows,): its time (datetime64 or float64), or the hash of its group (uint64).

    None without split.column.

    Raises:
        UserError: The column lacks a value, or holds neither dates nor numbers where the rows are split by time.
    """
    name = config.split.column
    if name is None:
        return None
    values = rows[name]
    gone = np.flatnonzero(values.isna())
    if len(gone):
        raise UserError(
            f"split.column {name!r} lacks a value in {len(gone)} of {len(values)} rows (the first in row"
            f" {values.index[gone[0]] + 1}), whose side is not known: fill them, or take these rows out"
        )
    if config.split.by == "group":
        return row_hash.of_values(values)
    kind = columns.kinds[name]
    if kind not in ("date", "numeric"):
        raise UserError(
            f"split.column {name!r} is {kind} and holds {shown(values.iloc[0])}; split.by time takes dates or numbers"
            " (data.dates names the format of dates)"
        )
    return np.asarray(values.to_numpy())


def test_mask(found: npt.NDArray[Any], target: Any, config: TableSettings) -> Mask:
    """Return a mask, shape (rows,), of the test set; `found` is what `units` returned.

    By time it is the latest rows, and rows of the same time stay together. By group it is whole groups, those with the
    lowest hashes, so that nearly every group keeps its side when data is added; a group larger than the test set
    stays in the training set. The boundary is the one that comes closest to `split.test_size`.

    Raises:
        UserError: There is one time or group only, or a part would have too few rows of a class.
    """
    by, wanted = config.split.by, max(1, round(len(found) * config.split.test_size))
    if (found == found[0]).all():
        raise UserError(
            f"split.column {config.split.column!r} has the same value in every row; split.by {by} needs two or more"
        )
    mask = _latest(found, wanted) if by == "time" else _groups(found, config.seed, wanted)
    _check_parts(mask, target, config)
    return mask


def note(found: npt.NDArray[Any], test: Mask, config: TableSettings) -> str:
    """Return a sentence about which of the column's values are in the test set."""
    name = config.split.column
    if config.split.by == "time":
        border = found[test].min()
        since = f"{border:.15g}" if found.dtype.kind == "f" else str(pd.Timestamp(border))
        return f"split by time: the test set begins at {since} of {name}"
    held, every = len(np.unique(found[test])), len(np.unique(found))
    return f"split by group: {held} of {every} values of {name} are in the test set"


def folds(
    found: npt.NDArray[Any], target: Any, config: TableSettings, count: int
) -> npt.NDArray[np.int64]:
    """Return the fold of each row, shape (rows,): `count` folds of whole groups, or `count` + 1 in the order of time.

    Each is a validation fold, except by time the first one, which has no earlier rows to train on (as in scikit-learn's
    TimeSeriesSplit).

    Raises:
        UserError: There are too few groups or times, or a fold has no row of a class.
    """
    by, wanted = config.split.by, count if config.split.by == "group" else count + 1
    if (distinct := len(np.unique(found))) < wanted:
        what = "values" if by == "group" else "times after the first"
        raise UserError(
            f"folds is {count}; accepted: at most {distinct - wanted + count}, the {what} of split.column"
            f" {config.split.column!r} in the training set"
        )
    fold = _in_order(found, wanted) if by == "time" else _of_groups(found, target, config, count)
    labels = target if config.task == "classification" else np.zeros(len(target))
    there = pd.crosstab(fold, labels).reindex(range(wanted), fill_value=0)
    lacking = np.argwhere(there.to_numpy() == 0)
    if len(lacking):
        of_class = f" of class {plain(there.columns[lacking[0][1]])!r}"
        raise UserError(
            f"folds is {count}, and by {by} of {config.split.column!r} one of these has no row"
            f"{of_class if config.task == 'classification' else ''}: try fewer, or split.by content"
        )
    return fold


def _latest(times: npt.NDArray[Any], wanted: int) -> Mask:
    distinct, first = np.unique(np.sort(times), return_index=True)
    # From the latest boundary backwards, so that a tie goes to the larger training set.
    counts = (len(times) - first)[:0:-1]
    border = distinct[:0:-1][np.abs(counts - wanted).argmin()]
    return np.asarray(times >= border, dtype=np.bool_)


def _groups(numbers: npt.NDArray[Any], seed: int, wanted: int) -> Mask:
    spread = row_hash.mixed(numbers, seed)
    groups, sizes = np.unique(spread, return_counts=True)
    largest = max(wanted, int(sizes.min()))
    fitting = np.flatnonzero(sizes <= largest)[: len(groups) - 1]
    count = np.abs(np.cumsum(sizes[fitting]) - wanted).argmin() + 1
    return np.isin(spread, groups[fitting[:count]])


def _check_parts(mask: Mask, target: Any, config: TableSettings) -> None:
    by = config.split.by
    advice = (
        "another split.test_size" if by == "time" else "another seed, which deals the groups anew"
    )
    for label in pd.unique(target) if config.task == "classification" else [None]:
        of_class = np.ones(len(target), dtype=bool) if label is None else target == label
        fitted, held = int((of_class & ~mask).sum()), int((of_class & mask).sum())
        if fitted >= MIN_TRAIN_ROWS and held:
            continue
        of_what = "" if label is None else f" of class {plain(label)!r}"
        raise UserError(
            f"split.by {by} of {config.split.column!r} leaves {fitted} rows{of_what} in the training set and {held} in"
            f" the test set; needed: at least {MIN_TRAIN_ROWS} and 1; try {advice}, or split.by content"
        )


def _in_order(times: npt.NDArray[Any], count: int) -> npt.NDArray[np.int64]:
    before = np.searchsorted(np.sort(times), times)  # how many rows are earlier
    return np.asarray(before * count // len(times), dtype=np.int64)


def _of_groups(
    groups: npt.NDArray[Any], target: Any, config: TableSettings, count: int
) -> npt.NDArray[np.int64]:
    from sklearn.model_selection import GroupKFold, StratifiedGroupKFold

    kind = StratifiedGroupKFold if config.task == "classification" else GroupKFold
    fold = np.zeros(len(groups), dtype=np.int64)
    # Of X, here the groups, both use only the number of rows.
    for number, (_, in_fold) in enumerate(kind(count).split(groups, target, groups)):
        fold[in_fold] = number
    return fold
