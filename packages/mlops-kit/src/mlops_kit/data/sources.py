"""Where rows come from: scikit-learn's samples, CSV and Parquet files, S3."""

from __future__ import annotations

import codecs
import csv
import gzip
import hashlib
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from mlops_kit.core.errors import UserError, did_you_mean, one_line

from . import s3
from .row_hash import Content
from .settings import DataConfig

SAMPLES = ("breast_cancer", "diabetes", "iris", "wine")
SUFFIXES = (".csv", ".csv.gz", ".parquet")

# The texts that mean "missing" in every CSV file: those of pandas, told to it, so that they stay the same.
MISSING = (
    *("", "NA", "N/A", "n/a", "#N/A", "#N/A N/A", "#NA", "<NA>", "NULL", "null", "None"),
    *("NaN", "nan", "-NaN", "-nan", "1.#IND", "-1.#IND", "1.#QNAN", "-1.#QNAN"),
)


def read(config: DataConfig, content: Content | None = None) -> tuple[Any, str]:
    """Return the rows of `config.source` as a data frame, and the SHA-256 of the source's bytes.

    `content` takes every column; the data frame has those that `config.drop` does not name. From Parquet the columns
    come one at a time, so that no more than one of those to drop is ever in memory.

    Raises:
        UserError: The source is not there or cannot be read as what it claims to be.
    """
    content = content or Content()
    if config.source.startswith("sklearn:"):
        frame, digest = _read_sample(config.source)
        return _taken(frame, config, content), digest
    if not config.source.endswith(SUFFIXES):
        raise UserError(
            f"data.source is {config.source!r}; accepted: sklearn:NAME, or a path or s3:// URL that"
            f" ends in {', '.join(SUFFIXES)}"
        )
    with located(config.source, "data.source") as path:
        return _read_file(path, config, content)


def _taken(frame: Any, config: DataConfig, content: Content) -> Any:
    """Give every column to `content` and return the frame without those to drop."""
    content.begin(list(frame))
    for name in frame:
        content.add(frame[name])
    return frame.drop(columns=[name for name in frame if str(name) in config.drop])


@contextmanager
def located(source: str, key: str) -> Iterator[Path]:
    """Give the file that `source`, the value of `key`, names; from S3 it is fetched for the while.

    Raises:
        UserError: It is not there or cannot be fetched.
    """
    if source.startswith("s3://"):
        with tempfile.TemporaryDirectory() as folder:
            yield s3.download(source, Path(folder), key)
        return
    path = Path(source)
    if not path.is_file():
        raise UserError(f"{key} {source} not found (paths start at the repository)")
    yield path


def _read_sample(source: str) -> tuple[Any, str]:
    import sklearn.datasets

    name = source.partition(":")[2]
    if name not in SAMPLES:
        raise UserError(
            f"data.source is {source!r}; accepted: sklearn: and one of {', '.join(SAMPLES)}"
            f"{did_you_mean(name, SAMPLES)}"
        )
    sample = getattr(sklearn.datasets, f"load_{name}")(as_frame=True)
    frame = sample.frame
    if "target_names" in sample:  # benign and malignant say more than 1 and 0
        frame["target"] = sample.target_names[sample.target]
    return frame, hashlib.sha256(frame.to_csv(index=False).encode()).hexdigest()


def _read_file(path: Path, config: DataConfig, content: Content) -> tuple[Any, str]:
    with path.open("rb") as file:
        digest = hashlib.sha256()
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    if path.suffix == ".parquet":
        frame = _read_parquet(path, config, content)
    else:
        frame = _taken(_read_csv(path, config), config, content)
    if not len(frame):
        raise UserError(f"{config.source} has no rows")
    return frame, digest.hexdigest()


def _read_parquet(path: Path, config: DataConfig, content: Content) -> Any:
    from pyarrow import parquet

    with refusing_parquet(config):
        schema = parquet.read_schema(path)
        check_names(schema.names, config)
        others = [name for name in schema.names if name not in _index_columns(schema)]
        # With any column comes the index, which is no column where it has no name.
        first = pd.read_parquet(path, engine="pyarrow", columns=others[:1] or None)
        first = first.reset_index(drop=first.index.names == [None])
        kept = {name: first[name] for name in first if name not in others}
        content.begin([*kept, *others])
        for name in kept:
            content.add(kept[name])
        for name in others:
            values = pd.read_parquet(path, engine="pyarrow", columns=[name])[name]
            values = values.reset_index(drop=True)
            content.add(values)
            if name not in config.drop:
                kept[name] = values
    return pd.DataFrame({name: kept[name] for name in kept if name not in config.drop})


def _index_columns(schema: Any) -> list[Any]:
    return list((schema.pandas_metadata or {}).get("index_columns", []))


@contextmanager
def refusing_parquet(config: DataConfig) -> Iterator[None]:
    """Tell in a sentence what pyarrow says of a file that is none of Parquet."""
    import pyarrow

    try:
        yield
    except (pyarrow.ArrowException, ValueError, OSError) as error:
        raise UserError(f"{config.source} is not Parquet: {one_line(error)}") from None


def _read_csv(path: Path, config: DataConfig) -> Any:
    with refusing_csv(config):
        header = check_header(path, config)
        frame = pd.read_csv(
            path,
            sep=config.delimiter,
            decimal=config.decimal,
            encoding=encoding(config),
            keep_default_na=False,
            na_values=[*MISSING, *config.missing_values],
            low_memory=False,
        )
    check_fields(frame, header, config)
    return frame


@contextmanager
def refusing_csv(config: DataConfig) -> Iterator[None]:
    """Tell in a sentence what pandas says of a file that is none of CSV."""
    try:
        yield
    except UnicodeError as error:
        is_utf_16 = getattr(error, "object", b"")[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
        other = "utf-16" if is_utf_16 else "cp1252"
        raise UserError(
            f"{config.source} is not {config.encoding}: {error}; try data.encoding: {other}"
        ) from None
    except LookupError:
        raise UserError(
            f"data.encoding is {config.encoding!r}; accepted: a text encoding that Python knows,"
            " like utf-8 or cp1252"
        ) from None
    except (pd.errors.ParserError, csv.Error, EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise UserError(f"{config.source} is not CSV: {one_line(error)}") from None


def encoding(config: DataConfig) -> str:
    """Return the encoding to read with: Excel begins a file with a byte order mark, which is no part of a name."""
    return "utf-8-sig" if codecs.lookup(config.encoding).name == "utf-8" else config.encoding


def check_fields(frame: Any, header: list[str], config: DataConfig) -> None:
    """Check that pandas did not take the first fields for an index.

    Raises:
        UserError: It did.
    """
    if not isinstance(frame.index, pd.RangeIndex):
        raise UserError(
            f"{config.source} has rows of more fields than its header names ({len(header)})"
        )


def check_header(path: Path, config: DataConfig) -> list[str]:
    """Return the names of the columns.

    Raises:
        UserError: There are none, one is there twice, or another delimiter parts them.
    """
    header = _header(path, encoding(config), config.delimiter)
    if not header:
        raise UserError(f"{config.source} is empty: a line of column names is expected")
    if len(header) == 1:
        for other in ";\t|,":
            if other != config.delimiter and other in header[0]:
                raise UserError(
                    f"{config.source} has one column under data.delimiter {config.delimiter!r} but"
                    f" {header[0].count(other) + 1} under {other!r}: set data.delimiter"
                )
    check_names(header, config)
    return header


def _header(path: Path, its_encoding: str, delimiter: str) -> list[str]:
    """Return the first line that is not blank, as pandas does."""
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding=its_encoding, newline="") as file:
        lines = csv.reader(file, delimiter=delimiter)
        return next((names for names in lines if any(name.strip() for name in names)), [])


def check_names(names: list[str], config: DataConfig) -> None:
    """Check that no name is there twice.

    Raises:
        UserError: One is.
    """
    twice = sorted({repr(name) for name in names if names.count(name) > 1})
    if twice:
        raise UserError(f"{config.source} has more than one column named {', '.join(twice)}")
