"""The conversion of a column's values: to strings, numbers, booleans as 0 or 1, and dates."""

from __future__ import annotations

import datetime
import math
import numbers
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd

from mlops_kit.core import values as meaning
from mlops_kit.core.values import TRUTH, Missing

from . import date_spelling
from .number_spelling import PLAIN, Spelling

NUMBER = (numbers.Real, Decimal, np.bool_)


def tidy(values: Any, missing: Missing) -> Any:
    """Return a column with its strings stripped, NaN where one means "missing"; columns of other types are unchanged."""
    if not may_hold_texts(values):
        return values
    words = missing.texts
    places, each = _distinct(values)
    found = np.empty(len(each) + 1, dtype=object)
    found[:-1] = [
        (np.nan if (text := value.strip()) in words else text) if isinstance(value, str) else value
        for value in each
    ]
    found[-1] = np.nan
    return pd.Series(found[places], index=values.index, name=values.name, dtype=object)


def without(values: Any, missing: Missing) -> Any:
    """Return a numeric column with NaN where a number means "missing"; columns of other types are unchanged."""
    if not is_number(values) or pd.api.types.is_bool_dtype(values) or not missing.numbers:
        return values
    return values.mask(values.isin(missing.numbers))


def has_blanks(values: Any) -> bool:
    """Return whether a string of the column has leading or trailing whitespace."""
    if not may_hold_texts(values):
        return False
    _, each = _distinct(values)
    return any(isinstance(text, str) and text != text.strip() for text in each)


def _distinct(values: Any) -> tuple[Any, Any]:
    """Return the position of each value, shape (rows,), in the distinct ones, -1 where missing; and these values."""
    if isinstance(values.dtype, pd.StringDtype):
        places, each = pd.factorize(values)
        return places, np.asarray(each, dtype=object)
    # Objects stay as they are: pandas would take 1 and True for one value.
    return np.arange(len(values)), values.to_numpy(dtype=object)


def may_hold_texts(values: Any) -> bool:
    """Return whether a column's dtype is string or object."""
    return values.dtype == object or isinstance(values.dtype, pd.StringDtype)


def as_text(values: Any, missing: Missing) -> Any:
    """Return a column as the strings of its categories, NaN where missing."""
    known = _Categories(missing)
    gone = values.isna()
    texts = [
        np.nan if lacks else known[value] if type(value) is str else known.of(value)
        for value, lacks in zip(values.astype(object), gone)
    ]
    return pd.Series(texts, index=values.index, name=values.name, dtype=object)


class _Categories(dict):  # type: ignore[type-arg] # keys are strings: 1 and True would share an entry
    def __init__(self, missing: Missing) -> None:
        self._missing = missing

    def __missing__(self, text: str) -> Any:
        self[text] = self.of(text)
        return self[text]

    def of(self, value: Any) -> Any:
        text = meaning.category(value)
        return np.nan if text in self._missing.texts else text


def as_number(values: Any, its: Spelling = PLAIN) -> Any:
    """Return `values` as float64, strings parsed in the spelling `its`; NaN where a value is not a number."""
    if is_number(values):
        return values.astype("float64")
    objects = values.astype(object).to_numpy()
    is_text = np.array([isinstance(value, str) for value in objects], dtype=bool)
    found = np.full(len(objects), np.nan)
    found[is_text] = its.numbers(objects[is_text])
    for place in np.flatnonzero(~is_text):
        if isinstance(objects[place], NUMBER):
            found[place] = _as_float(objects[place])
    return pd.Series(found, index=values.index, name=values.name)


def is_number(values: Any) -> bool:
    """Return whether a column's dtype is numeric: boolean, too, but not complex."""
    return pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_complex_dtype(values)


def _as_float(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def as_truth(values: Any) -> Any:
    """Return `values` as float64, 0 or 1; NaN where a value is neither true nor false."""
    if pd.api.types.is_numeric_dtype(values):
        numeric = values.astype("float64")
        return numeric.where(numeric.isin([0.0, 1.0]))
    return values.map(lambda value: TRUTH.get(str(value).lower(), np.nan)).astype("float64")


def as_date(values: Any, its_format: str | None = None) -> Any:
    """Return `values` as datetime64 in UTC; NaT where a value is not a date."""
    if pd.api.types.is_datetime64_any_dtype(values):
        return _naive(values)
    objects = values.astype(object)
    gone = objects.isna()  # NaT is a datetime, too
    days = objects.map(lambda value: isinstance(value, datetime.date)).astype(bool) & ~gone
    texts = objects.mask(days | gone).map(meaning.category, na_action="ignore")
    found = date_spelling.dates(texts.astype(object), its_format)
    return (
        found.where(~days, objects[days].map(_day).astype("datetime64[us]"))
        if days.any()
        else found
    )


def _naive(values: Any) -> Any:
    zoned = values.dt.tz_convert("UTC").dt.tz_localize(None) if values.dt.tz is not None else values
    return zoned.astype("datetime64[us]")


def _day(value: Any) -> Any:
    if not isinstance(value, datetime.datetime):
        return np.datetime64(value, "us")
    return np.datetime64(meaning.in_utc(value), "us")
