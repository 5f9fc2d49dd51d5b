"""The columns that a model takes, their kinds, and the conversion of rows to them."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from mlops_kit.core import values as meaning
from mlops_kit.core.errors import UserError
from mlops_kit.core.features import LARGEST
from mlops_kit.core.values import Missing

from . import number_spelling
from .conversions import as_date, as_number, as_text, as_truth, is_number, tidy
from .problems import shortened, some

KINDS = ("numeric", "boolean", "categorical", "date")

_MOST_WRONG = 3


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
        if kind == "numeric" and is_number(values):
            return _finite(name, values.to_numpy(dtype="float64", na_value=np.nan), missing)
        values = tidy(values, missing)
        if kind == "date":
            coerced = self._as_date(name, values)
        elif kind == "boolean":
            coerced = as_truth(values)
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
            return as_date(values, its_format)
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
