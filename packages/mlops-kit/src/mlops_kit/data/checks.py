"""Check the features before fitting: uninformative columns and target leakage, each in one NumPy pass over a column."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mlops_kit.core.errors import UserError, did_you_mean

from . import problems
from .columns import Columns
from .problems import Found
from .settings import TableSettings

# Below this many rows for each value, perfect agreement with the target is likely by chance.
_ROWS_PER_VALUE = 10
_FEWEST_ROWS = 2 * _ROWS_PER_VALUE
_LEAK_SAMPLE = 10_000
# From this many ways to place a class among the rows, a column that separates it does not do so by chance.
_PLACES = 100_000

# A column with at least this share of distinct strings is an identifier.
_IDENTIFYING = 0.9
# Names of an index; distinct whole numbers under such a name are one, in any order.
_INDEX_NAME = re.compile(r"unnamed: \d+|(.*[_ .-])?id|row_?(names?|id|num(ber)?|no|nr)", re.I)
# Consecutive whole numbers in this range may be years rather than an index.
_YEARS = (1500, 2200)


def no_features(config: TableSettings) -> set[str]:
    """Return the columns that are not features: data.weight, and split.column unless data.keep names it."""
    data, by = config.data, config.split.column
    is_kept = by in data.keep and by not in data.drop
    return {name for name in (data.weight, None if is_kept else by) if name is not None}


def check_names(known: list[str], config: TableSettings, no_feature: set[str]) -> None:
    """Check that every column that the config names exists, and that a feature is left that is not in `no_feature`.

    Raises:
        UserError: A column does not exist (the message suggests similar names), a key names the target or the weight
            where it must not, or no feature is left.
    """
    data = config.data
    if data.target not in known:
        raise UserError(
            f"data.target {data.target!r} is no column of {data.source}"
            f"{did_you_mean(data.target, known, most=3)}; its columns: {problems.some(known)}"
        )
    lists = ("drop", "keep", "categorical", "dates", "numbers")
    single = {"split.column": config.split.column, "data.weight": data.weight}
    named = {
        **{key: [] if name is None else [name] for key, name in single.items()},
        **{f"data.{key}": getattr(data, key) for key in lists},
    }
    for key, names in named.items():
        for name in names:
            if name not in known:
                raise UserError(
                    f"{key} names {name!r}, which is no column of {data.source}"
                    f"{did_you_mean(name, known, most=3)}"
                )
    for key in ("data.drop", *single):
        if data.target in named[key]:
            raise UserError(f"{key} names the target {data.target!r}")
    if data.weight in data.keep:
        raise UserError(f"data.keep names {data.weight!r}, which is data.weight and so no feature")
    if set(known) == {data.target, *data.drop, *no_feature}:
        raise UserError(f"{data.source} has no column left to predict {data.target!r} from")


def useless(
    rows: Any, columns: Columns, kept: npt.NDArray[np.bool_], keep: list[str]
) -> tuple[Found, dict[str, str]]:
    """Return the uninformative columns by reason, and for each duplicate column the earlier one with equal values.

    `rows` are all rows of the source, in `columns`' types, and `kept` is a mask, shape (rows,), of those with a target: an
    index is looked for in all rows, the rest in these. Columns in `keep` are never uninformative.
    """
    found: Found = {
        reason: []
        for reason in (
            problems.EMPTY,
            problems.CONSTANT,
            problems.INDEX,
            problems.IDENTIFIER,
            problems.TWIN,
        )
    }
    first: dict[Any, str] = {}
    twins: dict[str, str] = {}
    for name, kind in columns.kinds.items():
        whole = rows[name].to_numpy()
        values = whole if kept.all() else whole[kept]
        content = _content(values, kind)
        if content in first:
            twins[name] = first[content]
        first.setdefault(content, name)
        if name in keep:
            continue
        if reason := _reason(name, kind, whole, values):
            found[reason].append(name)
        elif name in twins:
            found[problems.TWIN].append(name)
    return found, twins


def leaks(rows: Any, columns: Columns, target: Any, task: str) -> list[str]:
    """Return the columns that leak the target: each of them alone determines it in every row.

    A category does if it has one target value; a number or date if cuts along it separate the classes, in regression if its
    rank correlation with the target is 1 or -1. `target` has shape (rows,).
    """
    if len(rows) < _FEWEST_ROWS or (task == "classification" and _by_chance(target)):
        return []
    of_categories = columns.named("categorical")
    others = [name for name in columns.kinds if name not in of_categories]
    codes = pd.factorize(target)[0]
    found = {name for name in of_categories if _determines(rows[name], codes)}
    if task == "regression":
        found.update(_same_order(rows[others], target))
    else:
        found.update(name for name in others if _parts(rows[name], codes))
    return [name for name in columns.kinds if name in found]


def _reason(name: str, kind: str, whole: Any, values: Any) -> str:
    missing = pd.isna(values)
    if missing.all():
        return problems.EMPTY
    if not missing.any() and (values == values[0]).all():
        return problems.CONSTANT
    if kind == "numeric" and _counts(name, whole):
        return problems.INDEX
    if kind == "categorical" and _identifies(values[~missing]):
        return problems.IDENTIFIER
    return ""


def _counts(name: str, values: Any) -> bool:
    """Return whether distinct whole numbers are an index: by the column's name, or because they are consecutive."""
    low, high = values.min(), values.max()  # NaN where one is missing
    named = _INDEX_NAME.fullmatch(name) is not None
    follow = high - low == len(values) - 1 and not (_YEARS[0] <= low and high <= _YEARS[1])
    if not (named or (follow and len(values) >= _FEWEST_ROWS)):
        return False
    whole = bool(np.isfinite(low + high)) and not (values % 1).any()
    return whole and len(np.unique(values)) == len(values)


def _identifies(texts: Any) -> bool:
    distinct = len(pd.unique(texts))
    return distinct > 2 and distinct >= _IDENTIFYING * len(texts)


def _content(values: Any, kind: str) -> Any:
    """Return a hash of a column, the same for columns of equal values."""
    if kind == "categorical":
        return hash(pd.util.hash_array(values).tobytes())
    numbers = values + 0.0 if values.dtype.kind == "f" else values  # -0.0 is 0.0
    return values.dtype.kind, hash(numbers.tobytes())


def _determines(values: Any, codes: Any) -> bool:
    """Return whether each category has a single target value, and there are enough rows for each."""
    category, found = pd.factorize(values.fillna(""))
    if len(values) < _ROWS_PER_VALUE * len(found):
        return False
    of_category = np.empty(len(found), dtype=codes.dtype)
    of_category[category] = codes
    return bool((of_category[category] == codes).all())


def _same_order(rows: Any, target: Any) -> list[str]:
    """Return the columns whose rank correlation with a numeric target is 1 or -1 (Spearman, 1904)."""
    wanted = _centred_ranks(pd.Series(target))
    found = []
    for name in rows:
        if rows[name].isna().any():
            continue
        ranks = _centred_ranks(rows[name])
        spread = math.sqrt((ranks @ ranks) * (wanted @ wanted))
        if spread and abs(ranks @ wanted) / spread > 1 - 1e-9:
            found.append(name)
    return found


def _centred_ranks(values: Any) -> Any:
    ranks = values.rank().to_numpy()
    return ranks - ranks.mean()


def _by_chance(labels: Any) -> bool:
    """Return whether the rarest class is so small that a column may separate it by chance."""
    rarest = pd.Series(labels).value_counts().min()
    return math.comb(len(labels), min(int(rarest), _ROWS_PER_VALUE)) < _PLACES


def _parts(values: Any, codes: Any) -> bool:
    """Return whether cuts along a column separate the classes, one block each; rows without a value must share a class."""
    numbers, missing = values.to_numpy(), values.isna().to_numpy()
    few = slice(None, None, -(-len(numbers) // _LEAK_SAMPLE))
    parts = _separates(numbers[few], missing[few], codes[few])
    return parts and _separates(numbers, missing, codes)


def _separates(numbers: Any, missing: Any, codes: Any) -> bool:
    without, codes = codes[missing], codes[~missing]
    if (without != without[:1]).any():
        return False
    numbers = numbers[~missing]
    order = np.argsort(numbers)
    numbers, codes = numbers[order], codes[order]
    changes = codes[1:] != codes[:-1]
    if (changes & (numbers[1:] == numbers[:-1])).any():
        return False
    # One block for each class; a class that only rows without a value have needs no cut.
    return int(changes.sum()) == max(0, len(np.unique(codes)) - 1)
