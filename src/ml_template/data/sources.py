"""Where rows come from: scikit-learn's samples, CSV and Parquet files, S3."""

from __future__ import annotations

import codecs
import csv
import gzip
import hashlib
import tempfile
import zlib
from pathlib import Path
from typing import Any

import pandas as pd

from ..config import DataConfig
from ..errors import UserError, did_you_mean, one_line

SAMPLES = ("breast_cancer", "diabetes", "iris", "wine")
SUFFIXES = (".csv", ".csv.gz", ".parquet")


def read(config: DataConfig) -> tuple[Any, str]:
    """Return the rows of `config.source` as a data frame, and the SHA-256 of the source's bytes.

    Raises:
        UserError: The source is not there or cannot be read as what it claims to be.
    """
    if config.source.startswith("sklearn:"):
        return _read_sample(config.source)
    if not config.source.endswith(SUFFIXES):
        raise UserError(
            f"data.source is {config.source!r}; accepted: sklearn:NAME, or a path or s3:// URL that"
            f" ends in {', '.join(SUFFIXES)}"
        )
    if config.source.startswith("s3://"):
        with tempfile.TemporaryDirectory() as folder:
            return _read_file(_download(config.source, Path(folder)), config)
    path = Path(config.source)
    if not path.is_file():
        raise UserError(f"data.source {config.source} not found (paths start at the repository)")
    return _read_file(path, config)


def _read_sample(source: str) -> tuple[Any, str]:
    import sklearn.datasets

    name = source.partition(":")[2]
    if name not in SAMPLES:
        raise UserError(
            f"data.source is {source!r}; accepted: sklearn: and one of {', '.join(SAMPLES)}"
            f"{did_you_mean(name, SAMPLES)}"
        )
    frame = getattr(sklearn.datasets, f"load_{name}")(as_frame=True).frame
    return frame, hashlib.sha256(frame.to_csv(index=False).encode()).hexdigest()


def _download(url: str, folder: Path) -> Path:
    """Fetch `url` into `folder`; boto3 finds credentials, region and endpoint."""
    import boto3
    from boto3.exceptions import Boto3Error
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    bucket, _, key = url[len("s3://") :].partition("/")
    if not (bucket and key):
        raise UserError(f"data.source is {url!r}; accepted: s3://BUCKET/KEY")
    path = folder / Path(key).name
    bounded = Config(connect_timeout=5, read_timeout=30, retries={"max_attempts": 3})
    try:
        boto3.client("s3", config=bounded).download_file(bucket, key, str(path))
    except (Boto3Error, BotoCoreError, ClientError, ValueError) as error:
        raise UserError(f"data.source {url} cannot be fetched: {one_line(error)}") from None
    return path


def _read_file(path: Path, config: DataConfig) -> tuple[Any, str]:
    with path.open("rb") as file:
        digest = hashlib.sha256()
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    frame = _read_parquet(path, config) if path.suffix == ".parquet" else _read_csv(path, config)
    if frame.empty:
        raise UserError(f"{config.source} has no rows")
    return frame, digest.hexdigest()


def _read_parquet(path: Path, config: DataConfig) -> Any:
    import pyarrow
    from pyarrow import parquet

    try:
        _check_names(parquet.read_schema(path).names, config)
        frame = pd.read_parquet(path, engine="pyarrow")
    except (pyarrow.ArrowException, ValueError, OSError) as error:
        raise UserError(f"{config.source} is not Parquet: {one_line(error)}") from None
    return frame.reset_index(drop=frame.index.names == [None])


def _read_csv(path: Path, config: DataConfig) -> Any:
    try:
        # Excel begins a file with a byte order mark, which is no part of the first name.
        is_utf_8 = codecs.lookup(config.encoding).name == "utf-8"
        encoding = "utf-8-sig" if is_utf_8 else config.encoding
        header = _header(path, encoding, config.delimiter)
        _check_header(header, config)
        frame = pd.read_csv(
            path,
            sep=config.delimiter,
            decimal=config.decimal,
            encoding=encoding,
            na_values=config.missing_values,
            low_memory=False,
        )
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
    if not isinstance(frame.index, pd.RangeIndex):  # pandas took the first fields for an index
        raise UserError(
            f"{config.source} has rows of more fields than its header names ({len(header)})"
        )
    return frame


def _header(path: Path, encoding: str, delimiter: str) -> list[str]:
    """Return the first line that is not blank, as pandas does."""
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding=encoding, newline="") as file:
        lines = csv.reader(file, delimiter=delimiter)
        return next((names for names in lines if any(name.strip() for name in names)), [])


def _check_header(header: list[str], config: DataConfig) -> None:
    if not header:
        raise UserError(f"{config.source} is empty: a line of column names is expected")
    if len(header) == 1:
        for other in ";\t|,":
            if other != config.delimiter and other in header[0]:
                raise UserError(
                    f"{config.source} has one column under data.delimiter {config.delimiter!r} but"
                    f" {header[0].count(other) + 1} under {other!r}: set data.delimiter"
                )
    _check_names(header, config)


def _check_names(names: list[str], config: DataConfig) -> None:
    twice = sorted({repr(name) for name in names if names.count(name) > 1})
    if twice:
        raise UserError(f"{config.source} has more than one column named {', '.join(twice)}")
