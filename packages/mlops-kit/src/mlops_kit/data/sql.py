"""Read the rows of a query, a file of the repository, from the database that DATABASE_URL names."""

from __future__ import annotations

import datetime
import hashlib
import os
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd

from mlops_kit.core.errors import UserError, one_line
from mlops_kit.core.values import in_utc

PREFIX = "sql:"
VARIABLE = "DATABASE_URL"

_ROWS_AT_ONCE = 10_000
_CONNECT_SECONDS = 10
_ACCEPTED = "postgresql://USER:PASSWORD@HOST/DATABASE, sqlite:///data/churn.db, or another URL of SQLAlchemy"
# Schemes for which SQLAlchemy would choose another driver, or none.
_POSTGRES = ("postgres", "postgresql")


class Result:
    """The result of a query: the `names` of its columns, the number of `rows`, the `columns`, and a `digest`."""

    def __init__(self, names: list[str]) -> None:
        """Start without rows."""
        self.names = names
        self.rows = 0
        self._parts: list[list[Any]] = [[] for _ in names]
        self._total = 0

    @property
    def digest(self) -> str:
        """Return the SHA-256 of the names and the rows, whatever the order of the rows, which the database may choose."""
        # A hash of a multiset: the sum of the hashes of what is in it (Clarke et al., 2003).
        return hashlib.sha256(f"{self.names!r}{self.rows}{self._total:x}".encode()).hexdigest()

    def add(self, rows: Sequence[Sequence[Any]], texts: set[str]) -> None:
        """Add rows; the columns in `texts` keep all digits."""
        columns = [_usual(column) for column in zip(*rows)]
        for row in zip(*columns):
            digest = hashlib.sha256(repr(row).encode("utf-8", "surrogatepass")).digest()
            self._total = (self._total + int.from_bytes(digest, "big")) % 2**256
        index = pd.RangeIndex(self.rows, self.rows + len(rows))
        for parts, name, values in zip(self._parts, self.names, columns):
            # A part without a value has no type.
            if any(value is not None for value in values):
                parts.append(_series(values, index, name in texts))
        self.rows += len(rows)

    def columns(self) -> Iterator[tuple[str, Any]]:
        """Yield the name and the Series of each column, and release its memory: to be called once."""
        every = pd.RangeIndex(self.rows)
        for name, parts in zip(self.names, self._parts):
            found = pd.concat(parts) if parts else pd.Series(dtype="float64")
            parts.clear()
            yield name, found.reindex(every).rename(name)


def read(source: str, texts: set[str]) -> Result:
    """Run the query in the file of `source`, sql:PATH, and fetch its rows in parts; the columns in `texts` keep all digits.

    Raises:
        UserError: There is no such file, no DATABASE_URL or no driver for it, or the database returns an error. The
            message has nothing of DATABASE_URL except the host and user in the database's own message.
    """
    query, url = _query(source), _url(source)
    with _connected(source, url) as connection:
        found = connection.exec_driver_sql(query)
        if not found.returns_rows:
            raise UserError(f"data.source {source} returns no rows; accepted: a query, like SELECT")
        names = list(found.keys())
        result = Result([str(name).strip() for name in names])
        for rows in found.partitions(_ROWS_AT_ONCE):
            result.add(rows, texts)
    return result


def _query(source: str) -> str:
    path = Path(source[len(PREFIX) :])
    if path.suffix.lower() != ".sql":
        raise UserError(f"data.source is {source!r}; accepted: sql: and the path of a .sql file")
    if not path.is_file():
        raise UserError(f"data.source {source} not found (paths start at the repository)")
    try:
        text = path.read_text(encoding="utf-8-sig").strip()
    except UnicodeDecodeError:
        raise UserError(f"data.source {source} is no text in UTF-8") from None
    if not text:
        raise UserError(f"data.source {source} is empty; accepted: one query")
    return text


def _url(source: str) -> Any:
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    given = os.environ.get(VARIABLE, "")
    if not given:
        raise UserError(f"data.source {source} needs {VARIABLE}, which is not set: {_ACCEPTED}")
    try:
        url = make_url(given)
    except (ArgumentError, ValueError):
        raise UserError(f"{VARIABLE} is no URL of a database; accepted: {_ACCEPTED}") from None
    if _is_sqlite_without_file(url):
        raise UserError(
            f"{VARIABLE} names a SQLite file that does not exist (after sqlite:/// paths start at the repository)"
        )
    return url.set(drivername="postgresql+psycopg") if url.drivername in _POSTGRES else url


def _is_sqlite_without_file(url: Any) -> bool:
    """Return whether SQLite would create an empty database of this name, which its own error would not mention."""
    name = url.database or ""
    is_file = name not in ("", ":memory:") and not name.startswith("file:")
    return url.get_backend_name() == "sqlite" and is_file and not Path(name).exists()


@contextmanager
def _connected(source: str, url: Any) -> Iterator[Any]:
    """Yield a connection that fetches in parts; errors in the block become a UserError without the password."""
    from sqlalchemy import create_engine
    from sqlalchemy.exc import SQLAlchemyError

    postgres = url.get_backend_name() == "postgresql"
    try:
        engine = create_engine(
            url, connect_args={"connect_timeout": _CONNECT_SECONDS} if postgres else {}
        )
    except (ImportError, SQLAlchemyError):
        package = ": add psycopg[binary] to dependencies in pyproject.toml, then make lock install"
        raise UserError(
            f"{VARIABLE} needs the driver {url.drivername}, which is not installed{package if postgres else ''}"
        ) from None
    # no_parameters keeps a % of the query as it is. The last option is for PostgreSQL alone.
    options = {"stream_results": True, "no_parameters": True, "postgresql_readonly": True}
    try:
        with engine.connect().execution_options(**options) as connection:
            yield connection
    except SQLAlchemyError as error:
        reason = _hidden(one_line(getattr(error, "orig", None) or error), url)
        raise UserError(f"data.source {source} cannot be read: {reason}") from None
    finally:
        engine.dispose()


def _hidden(text: str, url: Any) -> str:
    for secret in (url.render_as_string(hide_password=False), url.password):
        if secret:
            text = text.replace(secret, "…")
    return text


def _usual(column: tuple[Any, ...]) -> tuple[Any, ...]:
    """Convert the values of a column to types that files have: times in UTC, UUIDs as strings."""
    types = {type(value) for value in column}
    if datetime.datetime in types:
        column = tuple(in_utc(v) if isinstance(v, datetime.datetime) else v for v in column)
    if uuid.UUID in types:
        column = tuple(str(v) if isinstance(v, uuid.UUID) else v for v in column)
    return column


def _series(values: tuple[Any, ...], index: Any, keeps_digits: bool) -> Any:
    if keeps_digits:
        return pd.Series(values, index=index, dtype=object)
    if {type(value) for value in values} <= {Decimal, int, float, type(None)}:
        has_fractions = any(isinstance(value, Decimal) for value in values)
        return pd.Series(values, index=index, dtype="float64" if has_fractions else None)
    return pd.Series(values, index=index)
