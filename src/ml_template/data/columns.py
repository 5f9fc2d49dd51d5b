"""What kind each column is, and rows brought into those kinds."""

from __future__ import annotations

import datetime
import numbers
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from ..config import DataConfig
from ..errors import UserError

TRUTH = {"true": 1.0, "false": 0.0}
KINDS = ("numeric", "boolean", "categorical", "date")


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
            coerced = _as_date(values, self.date_formats.get(name))
        elif kind == "boolean":
            coerced = _as_truth(values)
        else:
            coerced = pd.to_numeric(values, errors="coerce").astype("float64")
            coerced = coerced.where(np.isfinite(coerced))
        strangers = values[coerced.isna() & values.notna() & ~values.isin([np.inf, -np.inf])]
        if len(strangers):
            raise UserError(
                f"column {name!r} is {kind} but holds {strangers.iloc[0]!r}"
                f" in row {strangers.index[0] + 1}"
            )
        return coerced


def infer(frame: Any, config: DataConfig) -> Columns:
    """Find the kind of each column of `frame`.

    Raises:
        UserError: A column mixes numbers and text, or holds values of no supported kind; the
            sentence tells every such column.
    """
    kinds, problems = {}, []
    for name in frame:
        try:
            kinds[name] = _kind(name, frame[name], config)
        except UserError as error:
            problems.append(str(error))
    if problems:
        raise UserError("; ".join(problems))
    return Columns(kinds, dict(config.dates))


def _kind(name: str, values: Any, config: DataConfig) -> str:
    if name in config.dates or pd.api.types.is_datetime64_any_dtype(values):
        return "date"
    if name in config.categorical:
        return "categorical"
    if pd.api.types.is_bool_dtype(values):
        return "boolean"
    if pd.api.types.is_complex_dtype(values) or pd.api.types.is_timedelta64_dtype(values):
        raise UserError(f"column {name!r} holds {values.dtype} values: add it to data.drop")
    if pd.api.types.is_numeric_dtype(values):
        return "numeric"
    return _kind_of_objects(name, values.dropna())


def _kind_of_objects(name: str, present: Any) -> str:
    """Judge a column by its values, as its type says nothing: text from a CSV file, or objects."""
    if present.map(lambda value: isinstance(value, (bool, np.bool_))).all():
        return "boolean"
    if present.map(lambda value: isinstance(value, numbers.Number)).all():
        return "numeric"
    if present.map(lambda value: isinstance(value, datetime.date)).all():
        return "date"
    if not present.map(lambda value: isinstance(value, (str, numbers.Number))).all():
        kind = type(present.iloc[0]).__name__
        raise UserError(f"column {name!r} holds {kind} values: add it to data.drop")
    if present.astype(str).str.lower().isin(TRUTH).all():
        return "boolean"
    if _as_date(present.astype(str)).notna().all():
        return "date"
    strangers = present[pd.to_numeric(present, errors="coerce").isna()]
    # A text column may hold a few numbers ("4", "4x4"); a number column must not hold text.
    if 0 < len(strangers) <= len(present) / 2:
        raise UserError(
            f"column {name!r} mixes numbers and text: {strangers.iloc[0]!r} in row"
            f" {strangers.index[0] + 1} (add such texts to data.missing_values, or the column to"
            " data.categorical or data.drop)"
        )
    return "categorical" if len(strangers) else "numeric"


def _as_text(values: Any) -> Any:
    if pd.api.types.is_float_dtype(values) and (values.dropna() % 1 == 0).all():
        values = values.astype(
            "Int64"
        )  # so that 4.0, a float for its missing neighbours, reads "4"
    return values.astype(object).where(values.notna(), np.nan).map(str, na_action="ignore")


def _as_truth(values: Any) -> Any:
    if pd.api.types.is_bool_dtype(values) or pd.api.types.is_numeric_dtype(values):
        numeric = values.astype("float64")
        return numeric.where(numeric.isin([0.0, 1.0]))
    return values.map(lambda value: TRUTH.get(str(value).lower(), np.nan)).astype("float64")


def _as_date(values: Any, its_format: str | None = None) -> Any:
    dates = pd.to_datetime(values, format=its_format or "ISO8601", errors="coerce", utc=True)
    return dates.dt.tz_localize(None).astype("datetime64[us]")
