"""Read CSV files as one text, without comments and the lines before the header; column names are stripped."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import re
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import dropwhile, islice
from pathlib import Path
from typing import Any, TextIO

import pandas as pd

from mlops_kit.core.config import as_set
from mlops_kit.core.errors import UserError, one_line

from . import header
from .settings import DataConfig

# The line that Excel may write before the header.
_SEPARATOR = re.compile(r'"?sep=(.)"?\s*', re.I)
_LINES = 20


@dataclass(frozen=True)
class Layout:
    """The layout found in the first lines: column names, delimiter, and whether spaces precede quoted fields.

    `notes` describe what was inferred from these lines without a setting.
    """

    names: list[str]
    delimiter: str
    blanks_before_quotes: bool
    notes: tuple[str, ...]

    def options(self) -> dict[str, Any]:
        """Return the options of `pandas.read_csv` for the text that `open_text` yields."""
        return {
            "sep": self.delimiter,
            "names": self.names,
            "header": 0,
            "skipinitialspace": self.blanks_before_quotes,
        }


def layout(files: list[Path], config: DataConfig) -> Layout:
    """Return the layout from the first lines of the files, all of which must have the same header.

    Raises:
        UserError: There is no header, files have different ones, a name occurs twice, or the delimiter is another one.
    """
    first, *others = (_layout(file, config) for file in files)
    for file, other in zip(files[1:], others):
        header.check_same(file.name, other.names, files[0].name, first.names, config)
    return first


@contextmanager
def open_text(files: list[Path], config: DataConfig) -> Iterator[tuple[Any, Any]]:
    """Yield a text file of all files, with the header of the first, and a function that returns how many bytes were read."""
    with ExitStack() as stack:
        if len(files) == 1 and not config.comment:
            text, binary = _text(files[0], config, stack)
            yield text, binary.tell
            return
        together = _Together(files, config)
        yield _Lines(together.lines()), together.done


@contextmanager
def convert_errors(config: DataConfig) -> Iterator[None]:
    """Convert the errors of decompressing, decoding and parsing a file to a UserError.

    Raises:
        UserError: The file is not CSV, or not in data.encoding, or that encoding is unknown.
    """
    try:
        yield
    except UnicodeError as error:
        is_utf_16 = getattr(error, "object", b"")[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
        other = "utf-16" if is_utf_16 else "cp1252"
        raise UserError(
            f"{config.source} is not {config.encoding}: {error}; try {as_set({'data.encoding': other})}"
        ) from None
    except LookupError:
        raise UserError(
            f"data.encoding is {config.encoding!r}; accepted: a text encoding that Python knows,"
            " like utf-8 or cp1252"
        ) from None
    except (pd.errors.ParserError, csv.Error, EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise UserError(f"{config.source} is not CSV: {one_line(error)}") from None


def check_fields(frame: Any, names: list[str], config: DataConfig) -> None:
    """Check that pandas did not take the first fields as an index.

    Raises:
        UserError: It did, because rows have more fields than the header.
    """
    if not isinstance(frame.index, pd.RangeIndex):
        raise UserError(
            f"{config.source} has rows of more fields than its header names ({len(names)})"
        )


def delimiter(file: Path, config: DataConfig) -> str:
    """Return the delimiter of a file that does not name its own: data.delimiter, else a tab in .tsv, a comma in others."""
    is_tsv = file.name.lower().removesuffix(".gz").endswith(".tsv")
    return config.delimiter or ("\t" if is_tsv else ",")


def _layout(file: Path, config: DataConfig) -> Layout:
    with ExitStack() as stack:
        text, _ = _text(file, config, stack, skip_separator=False)
        lines = list(islice(_rows(text, config), _LINES))
    separator = _SEPARATOR.fullmatch(lines[0]) if lines else None
    notes = ["the first line, sep=, names the delimiter"] if separator else []
    mark = separator[1] if separator else delimiter(file, config)
    first = lines[1:] if separator else lines
    blanks = mark not in " \t" and re.search(f'{re.escape(mark)} +"', "".join(first)) is not None
    rows = csv.reader(first, delimiter=mark, skipinitialspace=blanks)
    as_read = next((names for names in rows if any(name.strip() for name in names)), [])
    _check_header(as_read, mark, config)
    names = [name.strip() for name in as_read]
    header.check_distinct(names, config)
    notes += header.notes_of_blanks(zip(names, as_read))
    # As pandas names columns without a name.
    named = [name or f"Unnamed: {place}" for place, name in enumerate(names)]
    return Layout(named, mark, blanks, tuple(notes))


def _check_header(names: list[str], mark: str, config: DataConfig) -> None:
    if not names:
        raise UserError(f"{config.source} is empty: a line of column names is expected")
    if len(names) == 1:
        for other in ";\t|,":
            if other != mark and other in names[0]:
                raise UserError(
                    f"{config.source} has one column under data.delimiter {mark!r} but"
                    f" {names[0].count(other) + 1} under {other!r}:"
                    f" {as_set({'data.delimiter': other})}"
                )


def _text(
    file: Path, config: DataConfig, stack: ExitStack, skip_separator: bool = True
) -> tuple[TextIO, Any]:
    """Open a file as text, after the lines to skip; return it and the underlying binary file."""
    binary: Any = stack.enter_context(file.open("rb"))
    plain = gzip.GzipFile(fileobj=binary) if file.name.lower().endswith(".gz") else binary
    # Excel begins a file with a byte order mark, which is not part of the first name.
    is_utf_8 = codecs.lookup(config.encoding).name == "utf-8"
    its_encoding = "utf-8-sig" if is_utf_8 else config.encoding
    text = stack.enter_context(io.TextIOWrapper(plain, encoding=its_encoding, newline=""))
    for _ in range(config.skip_rows):
        text.readline()
    if skip_separator:
        start = text.tell() if config.skip_rows else 0
        if not _SEPARATOR.fullmatch(text.readline()):
            text.seek(start)
    return text, binary


def _rows(text: TextIO, config: DataConfig) -> Iterator[str]:
    """Yield the lines except comments: those that begin with data.comment, outside quoted fields."""
    in_quotes = False
    for line in text:
        if config.comment and not in_quotes and line.startswith(config.comment):
            continue
        in_quotes ^= line.count('"') % 2 == 1
        yield line


def _behind_header(lines: Iterator[str]) -> Iterator[str]:
    return islice(dropwhile(lambda line: not line.strip(), lines), 1, None)


def _ended(lines: Iterator[str]) -> Iterator[str]:
    """Yield the lines, each with a line break at its end."""
    return (line if line.endswith(("\n", "\r")) else f"{line}\n" for line in lines)


class _Together:
    """The lines of several files, one after another, with the header of the first."""

    def __init__(self, files: list[Path], config: DataConfig) -> None:
        self._files, self._config = files, config
        self._before = 0  # bytes of the files that are read
        self._reading: Any = None  # the binary file that is being read

    def lines(self) -> Iterator[str]:
        for file in self._files:
            with ExitStack() as while_reading:
                text, self._reading = _text(file, self._config, while_reading)
                rows = _rows(text, self._config)
                yield from _ended(rows if file == self._files[0] else _behind_header(rows))
                self._before, self._reading = self._before + file.stat().st_size, None

    def done(self) -> int:
        return self._before + (self._reading.tell() if self._reading else 0)


class _Lines(io.TextIOBase):
    """A text file that reads from an iterator of lines."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines, self._rest = lines, ""

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1) -> str:
        parts, found = [self._rest], len(self._rest)
        while size is None or size < 0 or found < size:
            line = next(self._lines, None)
            if line is None:
                break
            parts.append(line)
            found += len(line)
        text = "".join(parts)
        most = len(text) if size is None or size < 0 else size
        self._rest = text[most:]
        return text[:most]

    def readline(self, _size: int | None = -1) -> str:  # type: ignore[override] # str, not bytes; whole lines
        if self._rest:
            line, self._rest = self._rest, ""
            return line
        return next(self._lines, "")
