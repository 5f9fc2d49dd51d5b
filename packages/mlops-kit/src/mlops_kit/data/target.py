"""Prepare the target: find the task, and select the rows with a usable target."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mlops_kit.core.errors import UserError
from mlops_kit.core.values import Missing

from . import problems, spelling
from .columns import plain, shown
from .conversions import as_number, may_hold_texts, without
from .notes import Notes
from .problems import ColumnError, set_line, some
from .settings import DataConfig, TableSettings
from .split import MIN_TRAIN_ROWS, count_test_rows

# Whole numbers are classes if few are distinct and each occurs often.
_MOST_WHOLE = 20
_ROWS_PER_CLASS = 10
_MOST_CLASSES = 100


@dataclass(frozen=True)
class Target:
    """The task, the target of the rows that are kept, the mask of these, and what was left out.

    `values`, shape (kept rows,), are float64 in regression, else int64, bool or string labels; `kept` is a mask, shape (rows
    of the source,). `written` is 1234.5 as the target's strings write it, if that was inferred.
    """

    task: str
    values: npt.NDArray[Any]
    kept: npt.NDArray[np.bool_]
    left_out: list[str]
    written: str | None = None


def prepare(values: Any, config: TableSettings, notes: Notes) -> Target:
    """Find the task, and leave out rows without a target and classes of too few rows.

    `notes` has those of reading the source; the spelling of the target's numbers is appended if it was inferred, and the
    task if the values leave a doubt.

    Raises:
        UserError: Under data.policy strict, a row has no target; too many rows would be left out; or the values do not fit
            the task.
    """
    name = config.data.target
    numbers, written = values, None
    if config.task != "classification":
        numbers, written = _in_its_spelling(values, config.data)
    kept = np.array(values.notna() & numbers.notna(), dtype=np.bool_)
    left_out = []
    if not kept.all():
        missing = int((~kept).sum())
        why = f" ({notes.on_missing_target})" if notes.on_missing_target else ""
        _check_share(missing, len(kept), f"target {name!r} is missing{why}", config)
        left_out.append(f"{missing} {_rows(missing)} without a target")
        values, numbers = values[kept], numbers[kept]
    task: str = config.task
    if task == "auto":
        task, doubt = _found_task(numbers, config.data)
        notes += doubt
    if task == "regression":
        if written:
            notes.append(f"numbers are read in {name} as {written}")
        return Target(task, _numbers(numbers, config), kept, left_out, written)
    labels = _labels(values, name)
    _check_distinct(labels, len(labels) / 2, name)
    small = [] if config.data.policy == "strict" else _small_classes(labels, config)
    if small:
        of_small = np.isin(labels, small)
        small_rows = (
            f"{int(of_small.sum())} {_rows(int(of_small.sum()))} of classes of too few rows"
        )
        names = some([str(plain(label)) for label in small])
        _check_share(
            int(of_small.sum()), len(kept), f"target {name!r} has {small_rows} ({names})", config
        )
        left_out.append(f"{small_rows} ({names})")
        labels = labels[~of_small]
        kept[kept] = ~of_small
    if len(pd.unique(labels)) < 2:
        raise UserError(
            f"target {name!r} has one class only, {plain(labels[0])!r}: two or more are needed"
        )
    _check_distinct(labels, _MOST_CLASSES, name)
    return Target(task, labels, kept, left_out)


def _found_task(values: Any, config: DataConfig) -> tuple[str, list[str]]:
    """Return classification or regression, by the values of a target none of which is missing, and a note where it is in doubt.

    Numbers with fractions mean regression, and so do whole numbers, unless there are two distinct ones, or up to 20 that
    occur ten times on average; few whole numbers may as well be of the other task. Strings and booleans are classes;
    strings that are mostly numbers count as numbers, unless data.categorical names the target.
    """
    if pd.api.types.is_bool_dtype(values) or config.target in config.categorical:
        return "classification", []
    numbers = as_number(values, spelling.usual(config))
    there = numbers[numbers.notna()]
    if len(there) <= len(values) / 2:
        return "classification", []
    if not (there % 1 == 0).all():
        return "regression", []
    distinct = there.nunique()
    are_few = distinct <= max(2, min(_MOST_WHOLE, len(there) / _ROWS_PER_CLASS))
    task, taken, other = (
        ("classification", "classes", "regression")
        if are_few
        else ("regression", "numbers", "classification")
    )
    if len(there) < len(values) or not 2 < distinct <= _MOST_WHOLE:
        return task, []
    return task, [
        f'the {distinct} whole values of {config.target} are {taken}; otherwise: SET="task={other}"'
    ]


def _in_its_spelling(values: Any, data: DataConfig) -> tuple[Any, str | None]:
    """Return a target as numbers if all its strings are numbers, and their spelling if it was inferred."""
    if data.target in data.categorical or not may_hold_texts(values):
        return values, None
    try:
        its = spelling.of_numbers(data.target, values, data)
    except ColumnError as error:
        raise problems.refusal(data, {}, [error]) from None
    numbers = as_number(values, its)
    if numbers.notna().sum() < values.notna().sum():
        return values, None
    is_known = its == spelling.usual(data) or data.target in data.numbers
    return without(numbers, Missing(data.missing_values)), None if is_known else str(its)


def _check_share(rows: int, total: int, problem: str, config: TableSettings) -> None:
    """Raise a UserError if data.policy or data.max_left_out does not allow these rows to be left out."""
    share = rows / total
    if config.data.policy == "strict":
        raise UserError(
            f'{problem} in {rows} of {total} rows: remove them, or SET="data.policy=fix"'
        )
    if rows == total:
        raise UserError(f"{problem} in every row")
    if share > config.data.max_left_out:
        allowed = min(1.0, np.ceil(100 * share) / 100)
        raise UserError(
            f"{problem} in {rows} of {total} rows, more than the share that may be left out, data.max_left_out"
            f' {config.data.max_left_out:g}: SET="data.max_left_out={allowed:g}"'
        )


def _rows(count: int) -> str:
    return "row" if count == 1 else "rows"


def _labels(values: Any, name: str) -> Any:
    if pd.api.types.is_bool_dtype(values):
        return values.to_numpy(dtype=bool)
    if not pd.api.types.is_numeric_dtype(values):
        labels = values.astype(str).to_numpy(dtype=object)
        _check_spelling(labels, name)
        return labels
    if pd.api.types.is_float_dtype(values) and not (values % 1 == 0).all():
        raise UserError(
            f"target {name!r} holds fractions like {values[values % 1 != 0].iloc[0]}, which are no classes:"
            ' SET="task=regression"'
        )
    if not -(2**63) <= float(values.min()) <= float(values.max()) < 2**63:
        raise UserError(
            f"target {name!r} holds {values.max()}, too large a number for a class: make the classes texts"
        )
    return values.to_numpy(dtype=np.int64)


def _small_classes(labels: Any, config: TableSettings) -> list[Any]:
    """Return the classes of fewer rows than data.min_class_rows, or than both parts of the split need."""
    found, counts = np.unique(labels, return_counts=True)
    left = np.array([count - count_test_rows(int(count), config) for count in counts])
    return list(found[(counts < config.data.min_class_rows) | (left < MIN_TRAIN_ROWS)])


def _check_distinct(labels: Any, most: float, name: str) -> None:
    classes = len(pd.unique(labels))
    if classes > most:
        numbers = pd.api.types.is_numeric_dtype(labels)
        regression = ': SET="task=regression"' if numbers else ""
        raise UserError(
            f"target {name!r} has {classes} distinct values in {len(labels)} rows, too many for classes{regression}"
        )


def _check_spelling(labels: Any, name: str) -> None:
    first: dict[str, str] = {}
    for label in pd.unique(labels):
        twin = first.setdefault(label.strip().casefold(), label)
        if twin != label:
            raise UserError(
                f"target {name!r} has the classes {twin!r} and {label!r}, which differ only in case or"
                " blanks: make them one"
            )


def _numbers(values: Any, config: TableSettings) -> Any:
    name = config.data.target
    numeric = as_number(values, spelling.usual(config.data))
    wrong = np.flatnonzero(~np.isfinite(numeric))
    if len(wrong):
        texts = [value for value in pd.unique(values.iloc[wrong]) if isinstance(value, str)]
        mended = f": {set_line(config.data, {'missing_values': texts})}" if texts else ""
        raise UserError(
            f"target {name!r} holds {shown(values.iloc[wrong[0]])} in row {values.index[wrong[0]] + 1};"
            f" regression takes finite numbers{mended}"
        )
    if numeric.nunique() < 2:
        raise UserError(f"target {name!r} is {numeric.iloc[0]:g} in every row")
    return numeric.to_numpy()
