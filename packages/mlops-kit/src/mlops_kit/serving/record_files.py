"""The files of recorded rows: their names, locks, and paths after shipping.

The writer of a file holds a lock on it (flock), which is released when the process ends; so does a process that removes it.
"""

from __future__ import annotations

import datetime
import fcntl
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Optional

LINES = ".jsonl"
PARQUET = ".parquet"

# UTC, at the beginning of a file's name, so that files sorted by name are sorted by time.
_BEGUN = "%Y%m%dT%H%M%S%f"


def new_name() -> str:
    """Return a unique name for a file that is created now."""
    now = datetime.datetime.now(datetime.timezone.utc)
    return f"{now.strftime(_BEGUN)}-{secrets.token_hex(4)}{LINES}"


def begun(name: str) -> datetime.datetime:
    """Return the creation time of the file of this name, in UTC.

    Raises:
        ValueError: It is not the name of a recorder's file.
    """
    time = datetime.datetime.strptime(name.partition("-")[0], _BEGUN)
    return time.replace(tzinfo=datetime.timezone.utc)


def place(name: str) -> str:
    """Return the path of a file below the folder or prefix that files are shipped to: date=2026-11-29/hour=09/NAME.

    Raises:
        ValueError: It is not the name of a recorder's file.
    """
    time = begun(name)
    return f"{day_folder(time.date())}/hour={time:%H}/{name}"


def day_folder(day: datetime.date) -> str:
    """Return the folder of a day's files, in the partition format of Hive, Spark, Athena and DuckDB."""
    return f"date={day:%Y-%m-%d}"


@contextmanager
def taken(path: Path) -> Iterator[Optional[BinaryIO]]:
    """Yield the open file, locked for the block; None where another process holds the lock, or the file is gone."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        yield None
        return
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
        else:
            yield file


def whole_lines(content: bytes) -> bytes:
    r"""Return the content without an incomplete last line, which a killed process or a full disk leaves.

    >>> whole_lines(b'{"rows": 1}\n{"ro')
    b'{"rows": 1}\n'
    """
    return content[: content.rfind(b"\n") + 1]


def remove_oldest(folder: Path, most: int) -> int:
    """Remove files, the oldest first, until all together take at most `most` bytes; return the number of removed rows.

    Rows in Parquet do not count: `make monitor` has read them.
    """
    files = sorted(path for path in folder.iterdir() if path.suffix in (LINES, PARQUET))
    sizes = {}
    for path in files:
        # `make monitor`, the shipper or another process of the service may have removed it.
        with suppress(FileNotFoundError):
            sizes[path] = path.stat().st_size
    left, rows = sum(sizes.values()), 0
    for path, size in sizes.items():
        if left <= most:
            break
        if path.suffix == LINES:
            with taken(path) as file:
                if file is None and path.exists():
                    continue
                rows += _count_rows(file) if file else 0
                path.unlink(missing_ok=True)
        else:
            path.unlink(missing_ok=True)
        left -= size
    return rows


def _count_rows(file: BinaryIO) -> int:
    """Return the number of complete lines after the head, which describes the model."""
    return max(0, file.read().count(b"\n") - 1)
