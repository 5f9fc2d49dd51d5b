"""The output file of scoring: CSV or Parquet, replaced atomically."""

from __future__ import annotations

import csv
import gzip
import io
import os
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from mlops_kit.core.errors import UserError
from mlops_kit.data.csv_files import convert_errors, delimiter
from mlops_kit.data.settings import DataConfig
from mlops_kit.data.source_files import is_parquet

# Writes rows, given by column: a list, a pandas Series, or an array of NumPy or Arrow.
Write = Callable[[dict[str, Any]], None]


@contextmanager
def open_writer(path: Path, types: dict[str, Any], config: DataConfig) -> Iterator[Write]:
    """Yield a function that writes rows to `path`, which is replaced at the end and unchanged after an error.

    `types` are the Arrow types of the columns by name, for Parquet. CSV is written in the format of `config`.

    Raises:
        UserError: A string cannot be written in the encoding of `config`.
        OSError: The disk is full or the folder cannot be written.
    """
    with _replaced(path) as temporary:
        if is_parquet(path):
            with _parquet(temporary, types) as write:
                yield write
            return
        try:
            with _csv(temporary, path, list(types), config) as write:
                yield write
        except UnicodeEncodeError as error:
            text = error.object[error.start : error.end]
            raise UserError(
                f"OUT {path} is written in data.encoding {config.encoding!r}, which has no {text!r}: give"
                " SET=data.encoding=utf-8, or an OUT that ends in .parquet"
            ) from None


@contextmanager
def _parquet(path: Path, types: dict[str, Any]) -> Iterator[Write]:
    import pyarrow
    from pyarrow import parquet

    def arrow(name: str, values: Any) -> Any:
        if isinstance(values, pyarrow.Array):
            return values
        return pyarrow.array(values, from_pandas=True).cast(types[name])

    schema = pyarrow.schema(list(types.items()))
    with parquet.ParquetWriter(path, schema) as file:

        def write(rows: dict[str, Any]) -> None:
            arrays = [arrow(name, rows[name]) for name in types]
            file.write_table(pyarrow.Table.from_arrays(arrays, schema=schema))

        yield write


@contextmanager
def _csv(path: Path, target: Path, names: list[str], config: DataConfig) -> Iterator[Write]:
    with ExitStack() as stack:
        binary: Any = stack.enter_context(path.open("wb"))
        # The header of gzip gets neither name nor time, so that equal predictions are equal bytes.
        if target.suffix.lower() == ".gz":
            packed = gzip.GzipFile("", "wb", compresslevel=6, fileobj=binary, mtime=0)
            binary = stack.enter_context(packed)
        with convert_errors(config):
            text = io.TextIOWrapper(binary, encoding=config.encoding, newline="")
        rows_out = csv.writer(
            stack.enter_context(text), delimiter=delimiter(target, config), lineterminator="\n"
        )
        rows_out.writerow(names)

        def write(rows: dict[str, Any]) -> None:
            rows_out.writerows(zip(*(_fields(rows[name], config.decimal) for name in names)))

        yield write


def _fields(values: Any, decimal: str) -> list[Any]:
    """Return a column as values for `csv.writer`, to which None is empty; floats get the decimal mark `decimal`."""
    if hasattr(values, "to_pylist"):  # Arrow's
        import pyarrow

        if not pyarrow.types.is_floating(values.type):
            fields: list[Any] = values.to_pylist()
            return fields
        texts = values.cast(pyarrow.string()).to_pylist()  # 0.1 also in float32
        fields = [None if text == "nan" else text for text in texts]
    elif getattr(values, "dtype", None) == np.float64:
        fields = [repr(number) for number in values.tolist()]
    else:
        return list(values)
    return [text and text.replace(".", ",") for text in fields] if decimal == "," else fields


@contextmanager
def _replaced(path: Path) -> Iterator[Path]:
    """Yield a temporary path that replaces `path` at the end, and is removed after an error or a signal."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    temporary = Path(name)
    try:
        with _removed_on_signals(temporary):
            yield temporary
            temporary.chmod(0o644)
            temporary.replace(path)
    except OSError as error:
        # The error of a full disk has no file name, and the temporary file's means nothing to a user.
        error.filename = str(path)
        raise
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def _removed_on_signals(temporary: Path) -> Iterator[None]:
    """Remove the file before the current signal handlers run, because those of the command line end the process at once."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def remove(number: int, frame: Any) -> None:
        temporary.unlink(missing_ok=True)
        handler = before[signal.Signals(number)]
        if callable(handler):
            handler(number, frame)

    handled = {number: handler for number, handler in before.items() if callable(handler)}
    for number in handled:
        signal.signal(number, remove)
    try:
        yield
    finally:
        for number, handler in handled.items():
            signal.signal(number, handler)
