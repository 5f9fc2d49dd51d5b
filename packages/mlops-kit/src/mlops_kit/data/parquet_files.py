"""Read Parquet files as one table, column by column; column names are stripped."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from mlops_kit.core.errors import UserError, one_line

from . import header
from .settings import DataConfig

# Values to read at a time, rows times columns, but always whole columns.
_VALUES = 1_000_000


def names(files: list[Path], config: DataConfig) -> dict[str, str]:
    """Map the stripped column names to the names in the files, all of which must have the same columns.

    A pandas index without a name is not a column.

    Raises:
        UserError: The files' columns differ, or a name occurs twice.
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
    """Yield the name and the values, a Series, of each column over all files; `wanted` is what `names` returns.

    Whole numbers in the columns `texts` keep all digits.
    """
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
    """Convert an Arrow column to a Series.

    With `keeps_digits`, whole numbers with missing values become objects: as floats, long ones would lose digits.
    """
    return values.to_pandas(integer_object_nulls=keeps_digits)


def _joined(parts: list[Any], keeps_digits: bool) -> Any:
    series = [as_pandas(part, keeps_digits) for part in parts]
    return series[0] if len(series) == 1 else pd.concat(series, ignore_index=True)


@contextmanager
def convert_errors(config: DataConfig) -> Iterator[None]:
    """Convert pyarrow's errors about a file to a UserError.

    Raises:
        UserError: The file is not Parquet.
    """
    import pyarrow

    try:
        yield
    except (pyarrow.ArrowException, ValueError, OSError) as error:
        raise UserError(f"{config.source} is not Parquet: {one_line(error)}") from None
