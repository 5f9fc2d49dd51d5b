"""A sample of rows and answers in a folder, for `make monitor`: no request waits for it, and it cannot grow too large.

Lines of JSON, because pyarrow would make the image half as large again: monitoring/recorded_rows.py turns them into Parquet.
A file's first line tells of the model. Whoever writes a file holds a lock on it, which ends with the process.
"""

from __future__ import annotations

import datetime
import fcntl
import random
import secrets
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Optional

from pydantic_core import to_json

from mlops_kit.core.errors import UserError, did_you_mean

from .logs import log
from .metrics import Measures
from .settings import RecordConfig

LINES = ".jsonl"
PARQUET = ".parquet"

_MOST_WAITING = 20_000  # rows
_SECONDS = 0.2  # between two looks at what is waiting
_SECONDS_AFTER_FAILURE = 60
_FILES = 10  # so many files make the most that the folder may take


class Recorder:
    """Writes what it is offered, in a thread of its own."""

    def __init__(self, config: RecordConfig, card: dict[str, Any], measures: Measures) -> None:
        """Take model.json, and where to count; the thread begins with `start`.

        Raises:
            UserError: The folder cannot be written, or a private column is none of the model's.
        """
        self._folder = _writable(Path(config.folder or ""))
        self._most, self._seconds = config.megabytes * 1_000_000, 60 * config.minutes
        self._share, self._measures = config.share, measures
        self._private = _private(config.private, card["columns"])
        self._header = _header(card, list(self._private))
        self._waiting: deque[tuple[float, str, int, dict[str, Any], dict[str, Any]]] = deque()
        self._segment: Optional[_Segment] = None
        self._pause_until = 0.0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def offer(
        self, request_id: str, rows: list[dict[str, Any]], answers: list[dict[str, Any]]
    ) -> None:
        """Take a share of a request's rows and answers, which must not change any more; never waits."""
        draw, share = random.random, self._share  # nosec B311 # no secret: which rows are kept
        taken = [place for place in range(len(rows)) if share == 1 or draw() < share]
        if len(self._waiting) + len(taken) > _MOST_WAITING:
            self._measures.unrecorded.inc(len(taken))
            return
        now = time.time()
        self._waiting.extend((now, request_id, n, rows[n], answers[n]) for n in taken)

    def close(self) -> None:
        """Write what is waiting and end."""
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        # Looking now and then costs less than waking this thread at every request.
        while not self._ended.wait(_SECONDS):
            self._write_waiting()
        self._write_waiting()
        self._end_segment()

    def _write_waiting(self) -> None:
        if self._segment and self._segment.age() > self._seconds:
            self._end_segment()
        while self._waiting:
            taken = self._waiting.popleft()
            if time.monotonic() < self._pause_until:
                self._measures.unrecorded.inc()
                continue
            try:
                line = self._line(*taken)
                self._segment_for(line).write(line)
                self._measures.recorded.inc()
            except Exception as error:  # the disk is full, the folder is gone; the service goes on
                self._end_segment()
                self._pause_until = time.monotonic() + _SECONDS_AFTER_FAILURE
                self._measures.unrecorded.inc()
                log("error", "not recorded", error=str(error), again_after=_SECONDS_AFTER_FAILURE)

    def _line(
        self, when: float, request_id: str, place: int, row: dict[str, Any], answer: dict[str, Any]
    ) -> bytes:
        told = {
            "time": round(when, 3),
            "request_id": request_id,
            "row": place,
            "inputs": {name: value for name, value in row.items() if name not in self._private},
            "private": {name: flag(row[name]) for name, flag in self._private.items()},
            **answer,
        }
        return bytes(to_json(told)) + b"\n"

    def _segment_for(self, line: bytes) -> _Segment:
        if self._segment and self._segment.size + len(line) > self._most / _FILES:
            self._end_segment()
        if self._segment is None:
            _remove_oldest(self._folder, self._most - self._most // _FILES)
            self._segment = _Segment(self._folder, self._header)
        return self._segment

    def _end_segment(self) -> None:
        if self._segment:
            self._segment.close()
            self._segment = None


class _Segment:
    """A file that is being written; a line that the disk had no room for is its last, and is cut."""

    def __init__(self, folder: Path, header: bytes) -> None:
        now = datetime.datetime.now(datetime.timezone.utc)
        path = folder / f"{now:%Y%m%dT%H%M%S}-{secrets.token_hex(4)}{LINES}"
        # Without a buffer: what is written survives the process, and each write lets the event loop go on.
        self._file = path.open("xb", buffering=0)
        fcntl.flock(self._file, fcntl.LOCK_EX)
        self._started, self.size = time.monotonic(), 0
        try:
            self.write(header)
        except OSError:
            self.close()
            path.unlink()
            raise

    def age(self) -> float:
        return time.monotonic() - self._started

    def write(self, line: bytes) -> None:
        written = self._file.write(line) or 0
        self.size += written
        if written < len(line):
            raise OSError("the disk took a part of a line only")

    def close(self) -> None:
        self._file.close()


def is_written(path: Path) -> bool:
    """Tell whether a process is still writing this file; of one that is gone none is."""
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    return False


def _remove_oldest(folder: Path, most: int) -> None:
    """Remove files, the oldest first, until all together take at most `most` bytes."""
    files = sorted(path for path in folder.iterdir() if path.suffix in (LINES, PARQUET))
    sizes = {}
    for path in files:
        # `make monitor`, or another process of the service, may have removed it by now.
        with suppress(FileNotFoundError):
            sizes[path] = path.stat().st_size
    left = sum(sizes.values())
    for path, size in sizes.items():
        if left <= most:
            return
        if path.suffix == LINES and is_written(path):
            continue
        path.unlink(missing_ok=True)
        left -= size


def _writable(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError as error:
        raise UserError(f"record.folder {folder} cannot be written: {error.strerror}") from None


def _private(names: list[str], columns: list[dict[str, Any]]) -> dict[str, Callable[[Any], str]]:
    """Return what is written in the place of each private column's value."""
    known = {column["name"]: column for column in columns}
    for name in names:
        if name not in known:
            raise UserError(
                f"record.private names {name!r}, which is no column of the model"
                f"{did_you_mean(name, known)}"
            )
    return {name: _flag(_is_seen(known[name])) for name in names}


def _flag(is_seen: Callable[[Any], bool]) -> Callable[[Any], str]:
    return lambda value: ("missing" if value is None else "seen" if is_seen(value) else "unseen")


def _is_seen(column: dict[str, Any]) -> Callable[[Any], bool]:
    if column["kind"] == "categorical":
        return frozenset(column["categories"]).__contains__
    if column["kind"] == "boolean":
        return lambda _: True
    low, high = column["minimum"], column["maximum"]
    if low is None:  # training saw none but missing values
        return lambda _: False
    if column["kind"] == "date":
        low, high = map(datetime.datetime.fromisoformat, (low, high))
    return lambda value: bool(low <= value <= high)


def _header(card: dict[str, Any], private: list[str]) -> bytes:
    told = {
        "model": card["registered_model"],
        "version": card["version"],
        "kinds": {column["name"]: column["kind"] for column in card["columns"]},
        "private": private,
        "classes": card["classes"],
    }
    return bytes(to_json(told)) + b"\n"
