"""The columns that a model takes, and the conversion of rows to their types."""

from __future__ import annotations

import datetime
import math
import numbers
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd

from mlops_kit.core import values as meaning
from mlops_kit.core.errors import UserError
from mlops_kit.core.features import LARGEST
from mlops_kit.core.values import TRUTH, Missing

from . import date_spelling, number_spelling
from .number_spelling import PLAIN, Spelling
from .problems import shortened, some

KINDS = ("numeric", "boolean", "categorical", "date")

_MOST_WRONG = 3
NUMBER = (numbers.Real, Decimal, np.bool_)


@dataclass(frozen=True)
class Columns:
    """The kind of each feature, in the data's order, the format of its strings, and the values that mean "missing".

    Kinds: `numeric` and `boolean` (float64, a boolean as 0 or 1), `categorical` (strings), `date`
    (datetime64, UTC); missing values are NaN or NaT. `date_formats` has the strptime format of dates that are not
    ISO 8601; `number_formats` has 1234.5 as the column writes it, if that is different.
    """

    kinds: dict[str, str]
    date_formats: dict[str, str] = field(default_factory=dict)
    number_formats: dict[str, str] = field(default_factory=dict)
    missing_values: list[str] = field(default_factory=lambda: list(meaning.MISSING))

    def named(self, kind: str) -> list[str]:
        """Return the names of the columns of one kind."""
        return [name for name, its_kind in self.kinds.items() if its_kind == kind]

    def summary(self) -> str:
        """Return how many columns there are of each kind, as in "3 numeric, 1 date"."""
        counts = {kind: len(self.named(kind)) for kind in KINDS}
        return ", ".join(f"{count} {kind}" for kind, count in counts.items() if count)

    def coerce(self, frame: Any) -> Any:
        """Convert the rows of `frame` to these columns' order and types.

        Raises:
            UserError: A column is missing, or holds a value that does not fit its kind.
        """
        missing = [name for name in self.kinds if name not in frame]
        if missing:
            raise UserError(f"the rows lack the columns {some(missing)}")
        words = Missing(self.missing_values)
        coerced, wrong = {}, []
        for name in self.kinds:
            try:
                coerced[name] = self._coerce(name, frame[name], words)
            except UserError as error:
                wrong.append(str(error))
        if wrong:
            more = f"; and {len(wrong) - _MOST_WRONG} more like these"
            first = "; ".join(wrong[:_MOST_WRONG])
            raise UserError(first + (more if len(wrong) > _MOST_WRONG else ""))
        return pd.DataFrame(coerced, index=frame.index)

    def to_dict(self) -> dict[str, Any]:
        """Return a dictionary for JSON; `Columns(**value)` restores the columns."""
        return asdict(self)

    def _coerce(self, name: str, values: Any, missing: Missing) -> Any:
        kind = self.kinds[name]
        if kind == "categorical":
            return as_text(values, missing)
        if kind == "numeric" and _is_number(values):
            return _finite(name, values.to_numpy(dtype="float64", na_value=np.nan), missing)
        values = tidy(values, missing)
        if kind == "date":
            coerced = self._as_date(name, values)
        elif kind == "boolean":
            coerced = _as_truth(values)
        else:
            coerced = as_number(
                values, number_spelling.parse(self.number_formats.get(name, "1234.5"))
            )
        strangers = np.flatnonzero(coerced.isna() & values.notna())
        if len(strangers):
            raise UserError(
                f"column {shortened(name)!r} is {kind} but holds {shown(values.iloc[strangers[0]])}"
                f" in row {strangers[0] + 1}"
            )
        if kind == "date":
            return coerced.mask(coerced.isin(missing.dates(self.date_formats.get(name))))
        return _finite(name, coerced.to_numpy(), missing) if kind == "numeric" else coerced

    def _as_date(self, name: str, values: Any) -> Any:
        its_format = self.date_formats.get(name)
        try:
            return _as_date(values, its_format)
        except ValueError as error:
            raise UserError(
                f"data.dates.{name} is {its_format!r}, no format that strptime takes: {error}"
            ) from None


def _finite(name: str, numbers: Any, missing: Missing) -> Any:
    """Return the numbers, shape (rows,), with NaN for infinite ones and those that mean "missing".

    Raises:
        UserError: A finite number is outside float32's range.
    """
    there = np.isfinite(numbers)
    if missing.numbers:
        there &= ~np.isin(numbers, list(missing.numbers))
    large = np.flatnonzero(there & (np.abs(numbers) > LARGEST))
    if len(large):
        raise UserError(
            f"column {shortened(name)!r} holds {numbers[large[0]]:g}, accepted are numbers up to {LARGEST:.1e},"
            f" in row {large[0] + 1}"
        )
    return numbers if there.all() else np.where(there, numbers, np.nan)


def shown(value: Any) -> str:
    """Return a value quoted for a message, a long string cut."""
    return repr(shortened(plain(value)) if isinstance(value, str) else plain(value))


def plain(value: Any) -> Any:
    """Return a value as a plain Python object for a message: 1.0, not np.float64(1.0)."""
    if isinstance(value, np.generic):
        return value.item()
    return str(value) if isinstance(value, pd.Timestamp) else value


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
    if not _is_number(values) or pd.api.types.is_bool_dtype(values) or not missing.numbers:
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
    if _is_number(values):
        return values.astype("float64")
    objects = values.astype(object).to_numpy()
    is_text = np.array([isinstance(value, str) for value in objects], dtype=bool)
    found = np.full(len(objects), np.nan)
    found[is_text] = its.numbers(objects[is_text])
    for place in np.flatnonzero(~is_text):
        if isinstance(objects[place], NUMBER):
            found[place] = _as_float(objects[place])
    return pd.Series(found, index=values.index, name=values.name)


def _is_number(values: Any) -> bool:
    return pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_complex_dtype(values)


def _as_float(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _as_truth(values: Any) -> Any:
    if pd.api.types.is_numeric_dtype(values):
        numeric = values.astype("float64")
        return numeric.where(numeric.isin([0.0, 1.0]))
    return values.map(lambda value: TRUTH.get(str(value).lower(), np.nan)).astype("float64")


def _as_date(values: Any, its_format: str | None = None) -> Any:
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
