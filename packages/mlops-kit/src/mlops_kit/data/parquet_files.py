"""Parquet files as one table, column after column; blanks around names are cut."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from mlops_kit.core.errors import UserError, one_line

from . import header
from .settings import DataConfig

# So many values are read at a time, but always whole columns.
_VALUES = 1_000_000


def names(files: list[Path], config: DataConfig) -> dict[str, str]:
    """Return the columns of the files, all of which have the same ones, mapped to the names in the files.

    An index without a name is no column.

    Raises:
        UserError: They differ, or a name occurs twice.
    """
    from pyarrow import parquet

    found: list[list[str]] = []
    for file in files:
        every = parquet.read_schema(file).names
        header.check_distinct([name.strip() for name in every], config)
        found.append([name for name in every if not name.startswith("__index_level_")])
        header.check_same(file.name, found[-1], files[0].name, found[0], config)
    return {name.strip(): name for name in found[0]}


def columns(
    files: list[Path], wanted: Mapping[str, str], texts: set[str]
) -> Iterator[tuple[str, Any]]:
    """Yield each column of all files, by the names that `names` returns; of `texts` whole numbers keep all digits."""
    from pyarrow import parquet

    rows = sum(parquet.read_metadata(file).num_rows for file in files)
    # Each read parses the file's whole metadata again, so a wide table is read many columns at a time.
    at_once = max(1, _VALUES // max(1, rows))
    every = list(wanted)
    for start in range(0, len(every), at_once):
        together = every[start : start + at_once]
        called = [wanted[name] for name in together]
        parts = [parquet.read_table(file, columns=called, partitioning=None) for file in files]
        for name in together:
            of_files = [part.column(wanted[name]) for part in parts]
            yield name, _joined(of_files, keeps_digits=name in texts).rename(name)


def as_pandas(values: Any, keeps_digits: bool) -> Any:
    """Return a column of Arrow's as a Series; floats in place of whole numbers with gaps cost the last digits of long ones."""
    return values.to_pandas(integer_object_nulls=keeps_digits)


def _joined(parts: list[Any], keeps_digits: bool) -> Any:
    series = [as_pandas(part, keeps_digits) for part in parts]
    return series[0] if len(series) == 1 else pd.concat(series, ignore_index=True)


@contextmanager
def convert_errors(config: DataConfig) -> Iterator[None]:
    """Turn pyarrow's errors about a file that is no Parquet into a UserError."""
    import pyarrow

    try:
        yield
    except (pyarrow.ArrowException, ValueError, OSError) as error:
        raise UserError(f"{config.source} is not Parquet: {one_line(error)}") from None
