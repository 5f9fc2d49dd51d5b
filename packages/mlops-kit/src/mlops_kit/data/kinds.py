"""Infer the kind of each column, and the spelling of its strings."""

from __future__ import annotations

import datetime
import re
from typing import Any

import numpy as np
import pandas as pd

from mlops_kit.core.values import Missing

from . import date_spelling, number_spelling, spelling
from .columns import Columns
from .conversions import NUMBER, as_number, tidy
from .problems import ColumnError, Way, shortened, some
from .settings import DataConfig

_MOST_TEXTS = 20
# A fast filter, which every text that may be a number or a date passes.
_NO_MERE_WORD = re.compile(r"[0-9]|inf", re.I)
_KEEPS_ALL = "to keep all texts, which data.missing_values would lose"


def infer(
    frame: Any, config: DataConfig, notes: list[str] | None = None
) -> tuple[Columns, list[ColumnError]]:
    """Infer the kind of each column of `frame`; also return an error for each column that the user has to decide about.

    Such a column mixes numbers and text, holds values of no supported kind, or can be read in more than one way. The
    spellings that were inferred without a setting are appended to `notes`.
    """
    usual = spelling.usual(config)
    columns = Columns(
        {},
        {},
        {name: str(usual) for name in frame if usual != number_spelling.PLAIN},
        config.missing_values,
    )
    found: dict[str, spelling.Found] = {}
    errors: list[ColumnError] = []
    for name in frame:
        try:
            columns.kinds[name] = _kind(name, frame[name], config, found)
        except ColumnError as error:
            errors.append(error)
    for name, its in found.items():
        formats = columns.number_formats if its.kind == "numeric" else columns.date_formats
        formats[name] = str(its.written)
    for name in set(columns.number_formats) - set(columns.named("numeric")):
        del columns.number_formats[name]
    if notes is not None:
        notes += _notes(found, config)
    return columns, errors


def _notes(found: dict[str, spelling.Found], config: DataConfig) -> list[str]:
    """Return a sentence for each kind whose spelling was inferred."""
    notes = []
    for kind, key in (("numeric", config.numbers), ("date", config.dates)):
        names = [name for name, its in found.items() if its.kind == kind and name not in key]
        if names:
            what = "numbers" if kind == "numeric" else "dates"
            shown = some(
                [f"{shortened(name)} as {found[name].written}" for name in names], longest=60
            )
            notes.append(f"{what} are read in {shown}")
    return notes


def _kind(name: str, values: Any, config: DataConfig, found: dict[str, spelling.Found]) -> str:
    """Return the kind of a column; its spelling is added to `found` if it is not the default."""
    if name in config.dates:
        found[name] = spelling.Found("date", config.dates[name])
        return "date"
    if name in config.numbers:
        found[name] = spelling.Found("numeric", str(spelling.of_numbers(name, values, config)))
        return "numeric"
    if pd.api.types.is_datetime64_any_dtype(values):
        return "date"
    if name in config.categorical or isinstance(values.dtype, pd.CategoricalDtype):
        return "categorical"
    if pd.api.types.is_bool_dtype(values):
        return "boolean"
    if pd.api.types.is_complex_dtype(values) or pd.api.types.is_timedelta64_dtype(values):
        raise _of_no_kind(name, values.dtype)
    if pd.api.types.is_numeric_dtype(values):
        return "numeric"
    present = tidy(values, Missing(config.missing_values)).dropna()
    return _kind_of_objects(name, present, config, found)


def _kind_of_objects(
    name: str, present: Any, config: DataConfig, found: dict[str, spelling.Found]
) -> str:
    """Infer the kind from a column's values where its dtype is no hint: strings from a CSV file, or objects."""
    if set(map(type, present)) != {str} and (kind := _kind_of_others(name, present)):
        return kind
    texts = present.astype(str)
    distinct = texts.unique()
    if all(text.lower() in ("true", "false") for text in distinct):
        return "boolean"
    if not any(map(_NO_MERE_WORD.search, distinct)):
        return "categorical"
    if date_spelling.dates(texts, None).notna().all():
        return "date"
    is_number = as_number(present, spelling.usual(config)).notna()
    its = None if is_number.all() else spelling.find(name, texts, config)
    if its is not None:
        found[name] = its
        return its.kind
    strangers = present[~is_number]
    # A text column may hold a few numbers ("4", "4x4"); a number column must not hold text.
    if 0 < len(strangers) <= len(present) / 2:
        predicate = f"mixes numbers and text: {_texts(strangers)}"
        raise ColumnError(name, predicate, Way({"categorical": [name]}, _KEEPS_ALL))
    return "categorical" if len(strangers) else "numeric"


def _kind_of_others(name: str, present: Any) -> str | None:
    """Return the kind of values none of which is a string; None if one is."""
    if present.map(lambda value: isinstance(value, (bool, np.bool_))).all():
        return "boolean"
    if present.map(lambda value: isinstance(value, NUMBER)).all():
        return "numeric"
    if present.map(lambda value: isinstance(value, datetime.date)).all():
        return "date"
    other = present[~present.map(lambda value: isinstance(value, (str, *NUMBER))).astype(bool)]
    if len(other):
        raise _of_no_kind(name, type(other.iloc[0]).__name__)
    return None


def _of_no_kind(name: str, values: Any) -> ColumnError:
    return ColumnError(name, f"holds {values} values", Way({"drop": [name]}))


def _texts(strangers: Any) -> str:
    """Return a list of the distinct values that are not numbers, for a message."""
    texts = pd.unique(strangers.astype(str))
    shown = ", ".join(repr(shortened(text, 12)) for text in texts[:_MOST_TEXTS])
    more = f" and {len(texts) - _MOST_TEXTS} more" if len(texts) > _MOST_TEXTS else ""
    return f"{shown}{more}"
