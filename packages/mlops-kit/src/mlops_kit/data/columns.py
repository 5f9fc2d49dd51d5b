"""What kind each column is, and rows brought into those kinds."""

from __future__ import annotations

import datetime
import numbers
import re
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd

from mlops_kit.core.errors import UserError

from .problems import ColumnError, shortened
from .settings import DataConfig

TRUTH = {"true": 1.0, "false": 0.0}
KINDS = ("numeric", "boolean", "categorical", "date")

_MOST_TEXTS = 20
_ISO_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_WITH_COMMA = r"[-+]?\d+(,\d+)?"
_NUMBER = (numbers.Real, Decimal, np.bool_)


@dataclass(frozen=True)
class Columns:
    """The kind of every feature, in the data's order, and the formats of dates that are not ISO.

    Kinds: `numeric` and `boolean` (float64, a boolean 0 or 1), `categorical` (text), `date`
    (datetime64, UTC); missing values are NaN or NaT.
    """

    kinds: dict[str, str]
    date_formats: dict[str, str] = field(default_factory=dict)

    def named(self, kind: str) -> list[str]:
        """Return the names of the columns of one kind."""
        return [name for name, its_kind in self.kinds.items() if its_kind == kind]

    def summary(self) -> str:
        """Return how many columns there are of each kind, as in "3 numeric, 1 date"."""
        counts = {kind: len(self.named(kind)) for kind in KINDS}
        return ", ".join(f"{count} {kind}" for kind, count in counts.items() if count)

    def coerce(self, frame: Any) -> Any:
        """Return the rows of `frame` in these columns' order and types.

        Raises:
            UserError: A column is missing, or holds a value that its kind cannot.
        """
        missing = [name for name in self.kinds if name not in frame]
        if missing:
            raise UserError(f"the rows lack the columns {', '.join(missing)}")
        return pd.DataFrame(
            {name: self._coerce(name, frame[name]) for name in self.kinds}, index=frame.index
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; `Columns(**value)` brings them back."""
        return asdict(self)

    def _coerce(self, name: str, values: Any) -> Any:
        kind = self.kinds[name]
        if kind == "categorical":
            return _as_text(values)
        if kind == "date":
            coerced = self._as_date(name, values)
        else:
            coerced = _as_truth(values) if kind == "boolean" else as_number(values)
        strangers = np.flatnonzero(coerced.isna() & values.notna())
        if len(strangers):
            raise UserError(
                f"column {name!r} is {kind} but holds {plain(values.iloc[strangers[0]])!r}"
                f" in row {strangers[0] + 1}"
            )
        return coerced.where(np.isfinite(coerced)) if kind == "numeric" else coerced

    def _as_date(self, name: str, values: Any) -> Any:
        its_format = self.date_formats.get(name)
        try:
            return _as_date(values, its_format)
        except ValueError as error:
            raise UserError(
                f"data.dates.{name} is {its_format!r}, no format that strptime takes: {error}"
            ) from None


def plain(value: Any) -> Any:
    """Return a value as a sentence shows it: 1.0, not np.float64(1.0)."""
    if isinstance(value, np.generic):
        return value.item()
    return str(value) if isinstance(value, pd.Timestamp) else value


def infer(frame: Any, config: DataConfig) -> tuple[Columns, list[UserError]]:
    """Return the kind of each column of `frame`, and an error for each one that mixes numbers and text or has no kind."""
    kinds: dict[str, str] = {}
    errors: list[UserError] = []
    for name in frame:
        try:
            kinds[name] = _kind(name, frame[name], config)
        except UserError as error:
            errors.append(error)
    return Columns(kinds, dict(config.dates)), errors


def _kind(name: str, values: Any, config: DataConfig) -> str:
    if name in config.dates or pd.api.types.is_datetime64_any_dtype(values):
        return "date"
    if name in config.categorical or isinstance(values.dtype, pd.CategoricalDtype):
        return "categorical"
    if pd.api.types.is_bool_dtype(values):
        return "boolean"
    if pd.api.types.is_complex_dtype(values) or pd.api.types.is_timedelta64_dtype(values):
        raise ColumnError(name, f"holds {values.dtype} values", "drop")
    if pd.api.types.is_numeric_dtype(values):
        return "numeric"
    return _kind_of_objects(name, values.dropna())


def _kind_of_objects(name: str, present: Any) -> str:
    """Judge a column by its values, as its type says nothing: text from a CSV file, or objects."""
    if present.map(lambda value: isinstance(value, (bool, np.bool_))).all():
        return "boolean"
    if present.map(lambda value: isinstance(value, _NUMBER)).all():
        return "numeric"
    if present.map(lambda value: isinstance(value, datetime.date)).all():
        return "date"
    other = present[~present.map(lambda value: isinstance(value, (str, *_NUMBER))).astype(bool)]
    if len(other):
        kind = type(other.iloc[0]).__name__
        raise ColumnError(name, f"holds {kind} values", "drop")
    if present.astype(str).str.lower().isin(TRUTH).all():
        return "boolean"
    if _as_date(present).notna().all():
        return "date"
    if _has_decimal_commas(present):
        raise UserError(
            f"column {name!r} holds numbers with a decimal comma, like {present.iloc[0]!r}:"
            " set data.decimal to ',' (or add the column to data.categorical)"
        )
    strangers = present[as_number(present).isna()]
    # A text column may hold a few numbers ("4", "4x4"); a number column must not hold text.
    if 0 < len(strangers) <= len(present) / 2:
        raise ColumnError(name, f"mixes numbers and text: {_told(strangers)}", "categorical")
    return "categorical" if len(strangers) else "numeric"


def _told(strangers: Any) -> str:
    """Return the distinct texts among the values that are no numbers."""
    texts = pd.unique(strangers.astype(str))
    shown = ", ".join(repr(shortened(text, 12)) for text in texts[:_MOST_TEXTS])
    more = f" and {len(texts) - _MOST_TEXTS} more" if len(texts) > _MOST_TEXTS else ""
    return f"{shown}{more}"


def _has_decimal_commas(present: Any) -> bool:
    texts = present.astype(str)
    return bool(texts.str.fullmatch(_WITH_COMMA).all() and texts.str.contains(",").any())


def _as_text(values: Any) -> Any:
    texts = [np.nan if gone else _text(value) for value, gone in zip(values, values.isna())]
    return pd.Series(texts, index=values.index, dtype=object)


def _text(value: Any) -> str:
    # A whole number reads the same whether or not missing or broken neighbours make it a float.
    whole = isinstance(value, (float, np.floating)) and value.is_integer()
    return str(int(value) if whole else value)


def as_number(values: Any) -> Any:
    """Return `values` as float64; what is no number is NaN."""
    if pd.api.types.is_numeric_dtype(values):
        return values.astype("float64")
    values = values.astype(object)
    able = values.map(lambda value: isinstance(value, (str, *_NUMBER))).astype(bool)
    return pd.to_numeric(values.where(able, np.nan), errors="coerce").astype("float64")


def _as_truth(values: Any) -> Any:
    if pd.api.types.is_numeric_dtype(values):
        numeric = values.astype("float64")
        return numeric.where(numeric.isin([0.0, 1.0]))
    return values.map(lambda value: TRUTH.get(str(value).lower(), np.nan)).astype("float64")


def _as_date(values: Any, its_format: str | None = None) -> Any:
    if not pd.api.types.is_datetime64_any_dtype(values):
        texts = _as_text(values)
        if its_format is None:  # pandas would take "2019", "now" and "20261123" for dates, too
            is_iso = texts.map(lambda text: bool(_ISO_DATE.match(str(text)))).astype(bool)
            texts = texts.where(is_iso, np.nan)
        days = values.map(lambda value: isinstance(value, datetime.date)).astype(bool)
        values = texts.where(~days, values.astype(object))
    dates = pd.to_datetime(values, format=its_format or "ISO8601", errors="coerce", utc=True)
    dates = dates.dt.tz_localize(None).astype("datetime64[us]")
    # pandas 2 has no room for days like 9999-12-31, which stand for "never".
    if values.dtype == object:
        far = values[dates.isna() & values.notna()].map(lambda text: _far_date(text, its_format))
        dates = dates.where(dates.notna(), far.astype("datetime64[us]"))
    return dates


def _far_date(value: Any, its_format: str | None) -> Any:
    text = str(value)
    try:
        if its_format is None:
            date = datetime.datetime.fromisoformat(re.sub("Z$", "+00:00", text))
        else:
            date = datetime.datetime.strptime(text, its_format)
        if date.tzinfo is not None:
            date = date.astimezone(datetime.timezone.utc).replace(tzinfo=None)
        return np.datetime64(date, "us")
    except (ValueError, OverflowError):
        return np.datetime64("NaT", "us")
