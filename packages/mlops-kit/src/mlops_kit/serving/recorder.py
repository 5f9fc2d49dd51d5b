"""The recorder: it writes a sample of rows and predictions to a folder of bounded size, for `make monitor`.

No request waits for it. The format is JSON lines, because pyarrow would make the image half as large again;
monitoring/recorded_rows.py converts them to Parquet.
A file's first line, its head, describes the model and its role: champion or challenger.
"""

from __future__ import annotations

import datetime
import fcntl
import tempfile
import threading
import time
import zlib
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, Optional

from pydantic_core import to_json

from mlops_kit.artifact.encoding import Values
from mlops_kit.core.errors import UserError, did_you_mean

from .logs import log
from .metrics import Measures
from .record_files import new_name, remove_oldest
from .settings import RecordConfig

_MOST_WAITING = 20_000  # rows
_SECONDS = 0.2  # between two polls of the queue
_SECONDS_AFTER_FAILURE = 60
_FILES = 10  # this many files of the largest size fit into the folder
_LARGEST = 10_000_000  # bytes of a file: the shipper reads it whole


class Recorder:
    """Writes a sample of the predicted rows, in a thread of its own."""

    def __init__(
        self,
        config: RecordConfig,
        card: dict[str, Any],
        measures: Measures,
        mode: Optional[str] = None,
    ) -> None:
        """Take the settings, model.json, the metrics and the mode of a challenger; the thread begins with `start`.

        Raises:
            UserError: The folder cannot be written, or the model has no such private column.
        """
        self._folder = _writable(Path(config.folder or ""))
        self._most, self._seconds = config.megabytes * 1_000_000, 60 * config.minutes
        self._most_of_one = min(self._most // _FILES, _LARGEST)
        self._share, self._measures = config.share, measures
        self._private = _private(config.private, card["columns"])
        self._header = _header(card, list(self._private), mode)
        self._waiting: deque[tuple[float, str, int, dict[str, Any], dict[str, Any], float]] = (
            deque()
        )
        self._segment: Optional[_Segment] = None
        self._pause_until = 0.0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def offer(
        self, request_id: str, values: Values, answers: list[dict[str, Any]], seconds: float
    ) -> None:
        """Queue a sample of a request's rows, given by column, with their predictions; never blocks.

        `seconds` is the duration of the request, from its body to its predictions. If the queue is full, the rows are
        dropped and counted.
        """
        taken = [place for place in range(len(answers)) if self._is_drawn(request_id, place)]
        if len(self._waiting) + len(taken) > _MOST_WAITING:
            self._measures.unrecorded.inc(len(taken))
            return
        now = time.time()
        # Row by row, so that a single row does not keep a thousand others in memory.
        for n in taken:
            row = {name: column[n] for name, column in values.items()}
            self._waiting.append((now, request_id, n, row, answers[n], seconds))

    def _is_drawn(self, request_id: str, place: int) -> bool:
        """Return whether a row is in the sample, by a hash of its id, the same for the champion and a challenger."""
        if self._share == 1:
            return True
        return zlib.crc32(f"{request_id} {place}".encode()) < self._share * 2**32

    def close(self) -> None:
        """Write queued rows and end the thread."""
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        # Polling costs less than waking this thread at every request.
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
            except Exception as error:  # a full disk, a lost folder; the service continues
                self._end_segment()
                self._pause_until = time.monotonic() + _SECONDS_AFTER_FAILURE
                self._measures.unrecorded.inc()
                log("error", "not recorded", error=str(error), again_after=_SECONDS_AFTER_FAILURE)

    def _line(
        self,
        when: float,
        request_id: str,
        place: int,
        row: dict[str, Any],
        answer: dict[str, Any],
        seconds: float,
    ) -> bytes:
        record = {
            "time": round(when, 3),
            "request_id": request_id,
            "row": place,
            "seconds": round(seconds, 6),
            "inputs": {name: value for name, value in row.items() if name not in self._private},
            "private": {name: flag(row[name]) for name, flag in self._private.items()},
            **answer,
        }
        return bytes(to_json(record)) + b"\n"

    def _segment_for(self, line: bytes) -> _Segment:
        if self._segment and self._segment.size + len(line) > self._most_of_one:
            self._end_segment()
        if self._segment is None:
            self._make_room()
            self._segment = _Segment(self._folder, self._header)
        return self._segment

    def _make_room(self) -> None:
        rows = remove_oldest(self._folder, self._most - self._most_of_one)
        if rows:
            self._measures.dropped.inc(rows)
            log("warning", "records dropped", rows=rows, folder=str(self._folder))

    def _end_segment(self) -> None:
        if self._segment:
            segment, self._segment = self._segment, None
            try:
                segment.close()
            except OSError as error:  # as of a network's disk; the file is closed all the same
                log("error", "not closed", error=str(error))


class _Segment:
    """A file that is being written; where the disk was full its last line is incomplete."""

    def __init__(self, folder: Path, header: bytes) -> None:
        path = folder / new_name()
        # Unbuffered: written lines survive the process, and each write releases the GIL for the event loop.
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


def _writable(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError as error:
        raise UserError(f"record.folder {folder} cannot be written: {error.strerror}") from None


def _private(names: list[str], columns: list[dict[str, Any]]) -> dict[str, Callable[[Any], str]]:
    """Return for each private column the function from a value to its flag: missing, seen or unseen."""
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
    if low is None:  # all values in training were missing
        return lambda _: False
    if column["kind"] == "date":
        low, high = map(datetime.datetime.fromisoformat, (low, high))
    return lambda value: bool(low <= value <= high)


def _header(card: dict[str, Any], private: list[str], mode: Optional[str]) -> bytes:
    head = {
        "model": card["registered_model"],
        "version": card["version"],
        "mode": mode,
        "kinds": {column["name"]: column["kind"] for column in card["columns"]},
        "private": private,
        "classes": card["classes"],
        "scale": card["parity"]["scale"],
    }
    return bytes(to_json(head)) + b"\n"
