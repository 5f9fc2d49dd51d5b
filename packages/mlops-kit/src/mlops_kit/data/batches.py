"""Read rows in batches, for files larger than memory: every column as the file has it.

The type of a column must not depend on the batch: it may hold whole numbers in one batch and text in the next. So
all of a CSV file is read as text, and `Columns.coerce` converts it, as in training.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from . import csv_files, parquet_files, source_files
from .settings import DataConfig

# Values in a batch, rows times columns.
_VALUES = 200_000


@dataclass(frozen=True)
class Batch:
    """A batch of rows; `before` is the number of rows before it, `share` the fraction of the source read so far, 0 to 1.

    `kept` has every column as the source has it: a Series of strings from CSV, an Arrow array from Parquet.
    `values` has the requested columns, as a data frame for `Columns.coerce`.
    """

    before: int
    kept: dict[str, Any]
    values: Any
    share: float


class Table(ABC):
    """A table in one or more files; `types` are the Arrow types of its columns by name, None for CSV (all strings)."""

    types: dict[str, Any]

    def __init__(self, files: list[Path], config: DataConfig) -> None:
        """Take the files; `config` has the options of CSV and the source's name for errors."""
        self._files, self._config = files, config

    @abstractmethod
    def batches(self, kinds: Mapping[str, str], most_rows: int = 0) -> Iterator[Batch]:
        """Yield the rows in batches of `most_rows` (0: of about 200,000 values).

        `kinds` maps the columns that each batch has in `values` to their kinds.

        Raises:
            UserError: A file is not in the format of its name, CSV or Parquet.
        """

    def _size(self, most_rows: int) -> int:
        return most_rows or max(1, _VALUES // max(1, len(self.types)))


def open_table(files: list[Path], config: DataConfig) -> Table:
    """Open files of one format, as `source_files.local_files` yields them, as a table.

    Raises:
        UserError: They cannot be read in the format that their names have.
    """
    return _Parquet(files, config) if source_files.is_parquet(files[0]) else _Csv(files, config)


class _Parquet(Table):
    def __init__(self, files: list[Path], config: DataConfig) -> None:
        super().__init__(files, config)
        from pyarrow import parquet

        with parquet_files.convert_errors(config):
            self._names = parquet_files.names(files, config)
            schema = parquet.read_schema(files[0])
            self.types = {name: schema.field(own).type for name, own in self._names.items()}

    def batches(self, kinds: Mapping[str, str], most_rows: int = 0) -> Iterator[Batch]:
        from pyarrow import parquet

        with parquet_files.convert_errors(self._config):
            files = [parquet.ParquetFile(file) for file in self._files]
            before, total = 0, sum(file.metadata.num_rows for file in files)
            for file in files:
                for rows in file.iter_batches(self._size(most_rows)):
                    kept = {name: rows.column(own) for name, own in self._names.items()}
                    values = {
                        name: parquet_files.as_pandas(
                            kept[name], keeps_digits=kind == "categorical"
                        )
                        for name, kind in kinds.items()
                    }
                    done = before + rows.num_rows
                    yield Batch(before, kept, pd.DataFrame(values), done / total)
                    before = done


class _Csv(Table):
    def __init__(self, files: list[Path], config: DataConfig) -> None:
        super().__init__(files, config)
        with csv_files.convert_errors(config):
            self._layout = csv_files.layout(files, config)
        self.types = dict.fromkeys(self._layout.names)

    def batches(self, kinds: Mapping[str, str], most_rows: int = 0) -> Iterator[Batch]:
        size = sum(file.stat().st_size for file in self._files)
        before = 0
        with (
            csv_files.convert_errors(self._config),
            csv_files.open_text(self._files, self._config) as (
                text,
                done,
            ),
        ):
            chunks = pd.read_csv(
                text,
                **self._layout.options(),
                dtype=object,
                na_filter=False,
                chunksize=self._size(most_rows),
            )
            with chunks:
                for rows in chunks:
                    csv_files.check_fields(rows, self._layout.names, self._config)
                    rows = rows.reset_index(drop=True)
                    kept = {name: rows[name] for name in self.types}
                    yield Batch(before, kept, rows[list(kinds)], done() / size)
                    before += len(rows)
