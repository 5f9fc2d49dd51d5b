"""What must hold before anything is fitted; pandera runs the checks and gathers every failure."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pandera.pandas as pa
from pandera.errors import SchemaErrorReason

from mlops_kit.core.errors import UserError, did_you_mean

from .columns import Columns, as_number, plain
from .settings import TableSettings

# Below this many rows for each value, perfect agreement with the target is likely by chance.
_ROWS_PER_VALUE = 10
_LEAK_SAMPLE = 10_000
# In how many ways a class must be able to lie among the rows, for one of them to be no coincidence.
_PLACES = 100_000
_MOST_CLASSES = 100


def check_names(known: list[str], config: TableSettings) -> None:
    """Check that every column that the config names is there, and that features are left.

    Raises:
        UserError: A column is not there; the sentence gives the closest names.
    """
    data = config.data
    if data.target not in known:
        raise UserError(
            f"data.target {data.target!r} is no column of {data.source}"
            f"{did_you_mean(data.target, known, most=3)}; its columns: {_some(known)}"
        )
    for key in ("drop", "keep", "categorical", "dates", "numbers"):
        for name in getattr(data, key):
            if name not in known:
                raise UserError(
                    f"data.{key} names {name!r}, which is no column of {data.source}"
                    f"{did_you_mean(name, known, most=3)}"
                )
    if data.target in data.drop:
        raise UserError(f"data.drop names the target {data.target!r}")
    if set(known) == {data.target, *data.drop}:
        raise UserError(f"{data.source} has no column left to predict {data.target!r} from")


def check_target(values: Any, config: TableSettings, why: str = "") -> Any:
    """Return the target as an array: float64 in regression, else of int64, bool or text labels.

    `why` says which texts of the target mean "missing".

    Raises:
        UserError: Values are missing, or do not fit the task.
    """
    name = config.data.target
    if values.isna().any():
        raise UserError(
            f"target {name!r} is missing in {values.isna().sum()} of {len(values)} rows, the first"
            f" is row {int(np.argmax(values.isna())) + 1}: remove these rows{f' ({why})' if why else ''}"
        )
    if config.task == "regression":
        return _check_numbers(values, name)
    if pd.api.types.is_float_dtype(values) and not (values % 1 == 0).all():
        raise UserError(
            f"target {name!r} holds fractions like {values[values % 1 != 0].iloc[0]}:"
            " task: regression fits such a target"
        )
    if pd.api.types.is_bool_dtype(values):
        labels = values.to_numpy(dtype=bool)
    elif pd.api.types.is_numeric_dtype(values):
        if not -(2**63) <= float(values.min()) <= float(values.max()) < 2**63:
            raise UserError(
                f"target {name!r} holds {values.max()}, too large a number for a class: make the classes texts"
            )
        labels = values.to_numpy(dtype=np.int64)
    else:
        labels = values.astype(str).to_numpy(dtype=object)
        _check_spelling(labels, name)
    classes = len(pd.unique(labels))
    if classes < 2:
        raise UserError(
            f"target {name!r} has one class only, {plain(labels[0])!r}: two or more are needed"
        )
    if classes > min(_MOST_CLASSES, len(labels) / 2):
        raise UserError(
            f"target {name!r} has {classes} distinct values in {len(labels)} rows, too many for"
            " classes: is task: regression meant?"
        )
    return labels


def _check_spelling(labels: Any, name: str) -> None:
    first: dict[str, str] = {}
    for label in pd.unique(labels):
        twin = first.setdefault(label.strip().casefold(), label)
        if twin != label:
            raise UserError(
                f"target {name!r} has the classes {twin!r} and {label!r}, which differ only in case or"
                " blanks: make them one"
            )


def _check_numbers(values: Any, name: str) -> Any:
    numeric = as_number(values)
    wrong = np.flatnonzero(~np.isfinite(numeric))
    if len(wrong):
        raise UserError(
            f"target {name!r} holds {plain(values.iloc[wrong[0]])!r} in row {wrong[0] + 1};"
            " task: regression takes finite numbers"
        )
    if numeric.nunique() < 2:
        raise UserError(f"target {name!r} is {numeric.iloc[0]:g} in every row")
    return numeric.to_numpy()


def check_rows(rows: Any, columns: Columns, target: Any, config: TableSettings) -> None:
    """Check the features: constant, repeated, identifying and leaking columns.

    Raises:
        UserError: Any check failed; the sentence tells all of them.
    """
    twins = _twins(rows)
    checked = {
        name: pa.Column(
            None,
            nullable=True,
            checks=_checks(name, kind, rows, twins.get(name), target, config),
        )
        for name, kind in columns.kinds.items()
        if name not in config.data.keep
    }
    try:
        pa.DataFrameSchema(checked).validate(rows, lazy=True)
    except pa.errors.SchemaErrors as error:
        if any(one.reason_code is SchemaErrorReason.CHECK_ERROR for one in error.schema_errors):
            raise  # a check that broke has not found anything
        told = dict.fromkeys(error.failure_cases["check"])
        raise UserError(f"{config.data.source}: {'; '.join(told)}") from None


def _checks(
    name: str, kind: str, rows: Any, twin: str | None, target: Any, config: TableSettings
) -> list[pa.Check]:
    remedy = "add it to data.drop (or to data.keep, if it must stay)"
    if rows[name].nunique() < 2 and (rows[name].isna().all() or rows[name].notna().all()):
        constant = (
            "empty" if rows[name].isna().all() else f"{plain(rows[name].iloc[0])!r} in every row"
        )
        return [_check(_varies, f"column {name!r} is {constant}: {remedy}")]
    checks = [
        _check(
            lambda values: not _predicts(values, kind, target, config.task),
            f"column {name!r} predicts {config.data.target!r} without a mistake, which only a leak"
            f" does: {remedy}",
        )
    ]
    if twin:
        checks.append(
            _check(
                lambda values: not values.equals(rows[twin]),
                f"columns {twin!r} and {name!r} hold the same values: add one to data.drop"
                f" (or {name!r} to data.keep, if it must stay)",
            )
        )
    if kind == "numeric":
        checks.append(
            _check(
                lambda values: len(values) < 2 * _ROWS_PER_VALUE
                or not (values.diff()[1:] == 1).all(),
                f"column {name!r} counts the rows, like an index: {remedy}",
            )
        )
    if kind == "categorical":
        checks.append(
            _check(
                lambda values: values.nunique() < max(len(values), 3),
                f"column {name!r} has a different text in every row, like an identifier: {remedy}",
            )
        )
    return checks


def _check(holds: Callable[[Any], bool], sentence: str) -> pa.Check:
    # By default pandera would leave out the missing values, and the rest lie beside other targets.
    return pa.Check(holds, error=sentence, ignore_na=False)


def _varies(values: Any) -> bool:
    return bool(values.nunique(dropna=False) > 1)


def _twins(rows: Any) -> dict[str, str]:
    """Return, for each column whose content hashes like an earlier one's, that one's name."""
    first: dict[int, str] = {}
    twins = {}
    for name in rows:
        content = int(pd.util.hash_pandas_object(rows[name], index=True).sum())
        if content in first:
            twins[name] = first[content]
        first.setdefault(content, name)
    return twins


def _predicts(values: Any, kind: str, target: Any, task: str) -> bool:
    """Tell whether one column alone gives the target for every row."""
    if len(values) < 2 * _ROWS_PER_VALUE or (task == "classification" and _by_chance(target)):
        return False
    if kind == "categorical":
        of_value = pd.DataFrame({"value": values.fillna(""), "target": target}).groupby("value")
        enough = len(values) >= _ROWS_PER_VALUE * of_value.ngroups
        return bool(enough and (of_value["target"].nunique() == 1).all())
    numbers = values.astype("int64").where(values.notna()) if kind == "date" else values
    if task == "regression":
        ranks = numbers.rank(), pd.Series(target).rank()
        return bool(numbers.notna().all() and abs(ranks[0].corr(ranks[1])) > 1 - 1e-9)
    few = slice(None, None, -(-len(values) // _LEAK_SAMPLE))
    return _separates(numbers[few], target[few]) and _separates(numbers, target)


def _by_chance(labels: Any) -> bool:
    """Tell whether so few rows of the rarest class may lie at one end of a column without a reason."""
    rarest = pd.Series(labels).value_counts().min()
    return math.comb(len(labels), min(int(rarest), _ROWS_PER_VALUE)) < _PLACES


def _separates(numbers: Any, labels: Any) -> bool:
    """Tell whether cuts along one column, one fewer than there are classes, part all the classes."""
    from sklearn.tree import DecisionTreeClassifier

    classes = len(pd.unique(labels))
    if classes < 2:
        return True
    # Ranks, because the tree rounds to float32, which dates and large numbers do not survive.
    feature = numbers.rank(method="dense").to_numpy(dtype="float64").reshape(-1, 1)
    tree = DecisionTreeClassifier(max_leaf_nodes=classes, random_state=0).fit(feature, labels)
    return bool(tree.score(feature, labels) == 1.0)


def _some(names: list[str]) -> str:
    return ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")
