"""The files of a source: a file, a folder, a pattern or an s3:// URL, and the format that their names have."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mlops_kit.core.errors import UserError
from mlops_kit.core.files import scratch

from . import s3

SUFFIXES = (
    *(".csv", ".csv.gz", ".tsv", ".tsv.gz", ".txt", ".txt.gz"),
    ".parquet",
)
FILE = "a .csv, .tsv, .txt (each also .gz) or .parquet file"
_PATTERN = frozenset("*?[")


@contextmanager
def local_files(source: str, key: str) -> Iterator[list[Path]]:
    """Yield the files of `source`, the value of the setting `key`, in order; those from S3 are temporary.

    For a folder, or an s3:// URL that ends in a slash, these are all its files except those that begin with _ or a dot.

    Raises:
        UserError: There is no such file, one cannot be fetched, or they are of different formats.
    """
    if source.startswith("s3://"):
        with scratch() as folder:
            if source.endswith("/"):
                s3.download_all(source, folder, SUFFIXES, key)
                yield _of_one_kind(_within(folder, source, key), source, key)
            else:
                _check_suffix(source, source, key)
                yield [s3.download(source, folder, key)]
        return
    path = Path(source)
    if source and path.is_dir():
        yield _of_one_kind(_within(path, source, key), source, key)
    elif _PATTERN & set(source) and not path.exists():
        found = sorted(one for one in Path(path.anchor).glob(_relative(path)) if one.is_file())
        if not found:
            raise UserError(f"{key} {source} matches no file (paths start at the repository)")
        yield _of_one_kind(found, source, key)
    else:
        _check_suffix(source, source, key)
        if not path.is_file():
            raise UserError(f"{key} {source} not found (paths start at the repository)")
        yield [path]


def is_parquet(file: Path) -> bool:
    """Return whether a file is Parquet, by its name; all others are CSV."""
    return file.name.lower().endswith(".parquet")


def _relative(path: Path) -> str:
    return str(path.relative_to(path.anchor))


def _check_suffix(name: str, source: str, key: str) -> None:
    if not name.lower().endswith(SUFFIXES):
        sample = "sklearn:NAME, sql:PATH.sql, or " if key == "data.source" else ""
        raise UserError(
            f"{key} is {source!r}; accepted: {sample}a path or s3:// URL that ends in"
            f" {', '.join(SUFFIXES)}, a folder or a pattern of such files"
        )


def _within(folder: Path, source: str, key: str) -> list[Path]:
    found = sorted(one for one in folder.iterdir() if not one.name.startswith(("_", ".")))
    parts = [one.name for one in found if one.is_dir()]
    if parts:
        raise UserError(
            f"{key} {source} holds the folder {parts[0]!r}, and the values in its name would be lost; accepted: a"
            " folder of files alone, or a pattern like part=*/*.parquet where the names do not matter"
        )
    if not found:
        raise UserError(f"{key} {source} is a folder without a file")
    return found


def _of_one_kind(files: list[Path], source: str, key: str) -> list[Path]:
    for file in files:
        _check_suffix(file.name, f"{source}: {file.name}", key)
    if len({is_parquet(file) for file in files}) > 1:
        raise UserError(f"{key} {source} holds files of CSV and of Parquet; accepted: one kind")
    return files
