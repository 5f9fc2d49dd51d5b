"""Rows in batches, for files larger than memory: every column as the file has it, and as a model takes it.

What one batch happens to hold must not decide what a text means: a column may hold whole numbers in one batch
and text in the next. So all of a CSV file is read as text, and what training saw decides.
"""

from __future__ import annotations

import gzip
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mlops_kit.core.errors import UserError

from . import sources
from .columns import TRUTH, Columns, as_number
from .settings import DataConfig

# A batch has about so many values, however many columns there are.
_VALUES = 200_000

# Where no column holds a text, pandas takes 0 and 1 for numbers, and coerce takes them for truths.
_TRUTHS = {"0": "false", "0.0": "false", "1": "true", "1.0": "true"}
_SWAPPED = str.maketrans(",.", ".,")


@dataclass(frozen=True)
class Batch:
    """Some rows of a file; `before` rows precede them, and `share` of the file is read when they are.

    `kept` has every column as the file has it: a Series of texts from CSV, an Arrow array from Parquet.
    `values` has the columns that the model takes, as a data frame for `Columns.coerce`.
    """

    before: int
    kept: dict[str, Any]
    values: Any
    share: float


class Table(ABC):
    """A file of rows; `types` are the Arrow types of its columns by name, None where CSV has only texts."""

    types: dict[str, Any]

    def __init__(self, path: Path, config: DataConfig) -> None:
        """Take the file; `config` tells how CSV is read and what the file is called in sentences."""
        self._path, self._config = path, config

    @abstractmethod
    def batches(self, columns: list[dict[str, Any]], most_rows: int = 0) -> Iterator[Batch]:
        """Yield the rows; `columns` are those that the model takes, as model.json describes them.

        Raises:
            UserError: The file is none of its kind, or a column of numbers holds something else.
        """

    def _size(self, most_rows: int) -> int:
        return most_rows or max(1, _VALUES // max(1, len(self.types)))


def opened(path: Path, config: DataConfig) -> Table:
    """Return the file at `path`, whose name ends in one of `sources.SUFFIXES`.

    Raises:
        UserError: It cannot be read as what it claims to be.
    """
    return _Parquet(path, config) if path.suffix == ".parquet" else _Csv(path, config)


class _Parquet(Table):
    def __init__(self, path: Path, config: DataConfig) -> None:
        super().__init__(path, config)
        from pyarrow import parquet

        with sources.refusing_parquet(config):
            self._file = parquet.ParquetFile(path)
            schema = self._file.schema_arrow
            sources.check_names(schema.names, config)
        # To pandas, an index without a name is no column.
        unnamed = [name for name in schema.names if name.startswith("__index_level_")]
        self.types = {field.name: field.type for field in schema if field.name not in unnamed}

    def batches(self, columns: list[dict[str, Any]], most_rows: int = 0) -> Iterator[Batch]:
        before, total = 0, self._file.metadata.num_rows
        with sources.refusing_parquet(self._config):
            for rows in self._file.iter_batches(self._size(most_rows)):
                kept = {name: rows.column(name) for name in self.types}
                values = {c["name"]: kept[c["name"]].to_pandas() for c in columns}
                done = before + rows.num_rows
                yield Batch(before, kept, pd.DataFrame(values), done / total)
                before = done


class _Csv(Table):
    def __init__(self, path: Path, config: DataConfig) -> None:
        super().__init__(path, config)
        with sources.refusing_csv(config):
            self._header = sources.check_header(path, config)
            # pandas names what the header does not.
            self.types = dict.fromkeys(self._read(path, nrows=0))

    def batches(self, columns: list[dict[str, Any]], most_rows: int = 0) -> Iterator[Batch]:
        missing = _Missing(self._config.missing_values)
        size = self._path.stat().st_size
        before = 0
        with sources.refusing_csv(self._config), self._path.open("rb") as file:
            plain = gzip.GzipFile(fileobj=file) if self._path.suffix == ".gz" else file
            with self._read(plain, chunksize=self._size(most_rows)) as texts:
                for rows in texts:
                    sources.check_fields(rows, self._header, self._config)
                    rows = rows.reset_index(drop=True)
                    values = {
                        column["name"]: self._values(column, rows, missing, before)
                        for column in columns
                    }
                    kept = {name: rows[name] for name in self.types}
                    yield Batch(before, kept, pd.DataFrame(values), file.tell() / size)
                    before += len(rows)

    def _read(self, file: Any, **how: Any) -> Any:
        return pd.read_csv(
            file,
            sep=self._config.delimiter,
            encoding=sources.encoding(self._config),
            dtype=object,
            na_filter=False,
            **how,
        )

    def _values(self, column: dict[str, Any], rows: Any, missing: _Missing, before: int) -> Any:
        """Return one column of texts as the values that training would have read."""
        texts = rows[column["name"]]
        texts = texts.mask(missing.among(texts), np.nan)
        if column["kind"] == "numeric":
            numbers = self._as_number(texts)
            wrong = np.flatnonzero(numbers.isna() & texts.notna())
            if len(wrong):
                raise UserError(
                    f"{self._config.source}: column {column['name']!r} is numeric but holds"
                    f" {texts.iloc[wrong[0]]!r} in row {before + wrong[0] + 1}"
                )
            return numbers.mask(numbers.isin(missing.numbers))
        if column["kind"] == "boolean":
            return texts.map(lambda text: _TRUTHS.get(text, text), na_action="ignore")
        return self._as_seen(column, texts) if column["kind"] == "categorical" else texts

    def _as_number(self, texts: Any) -> Any:
        if self._config.decimal == ",":
            texts = texts.map(lambda text: text.translate(_SWAPPED), na_action="ignore")
        # What `as_number` does of texts, without asking whether each is one.
        return pd.to_numeric(texts, errors="coerce").astype("float64")

    def _as_seen(self, column: dict[str, Any], texts: Any) -> Any:
        """Spell texts as training did where all that it saw were numbers or truths: "01" was 1 to it."""
        seen = pd.Series(column["categories"], dtype=object)
        others = texts[texts.notna() & ~texts.isin(seen)]
        if seen.str.lower().isin(TRUTH).all():
            spelled = others.str.lower().map({"true": "True", "false": "False"})
        elif as_number(seen).notna().all():
            numbers = self._as_number(others).to_frame("")
            spelled = Columns({"": "categorical"}).coerce(numbers)[""]
        else:
            return texts
        return texts.where(~texts.index.isin(others.index), spelled.where(spelled.notna(), others))


class _Missing:
    """The texts that mean "missing", and those of them that are numbers: to pandas -999 is also -999.00."""

    def __init__(self, told: list[str]) -> None:
        self._texts = {*sources.MISSING, *told}
        numbers = as_number(pd.Series(told, dtype=object))
        self.numbers = numbers[np.isfinite(numbers)].tolist()
        whole = [number for number in self.numbers if number.is_integer()]
        self._texts |= {text for number in whole for text in (str(int(number)), str(number))}

    def among(self, texts: Any) -> Any:
        return texts.isin(self._texts)
