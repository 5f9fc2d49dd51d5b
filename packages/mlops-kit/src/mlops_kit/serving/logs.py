"""The log: one JSON object a line on standard output, written by a thread so that no request waits for the reader."""

from __future__ import annotations

import logging
import os
import select
import sys
import threading
import time
from collections.abc import Iterator
from datetime import datetime, timezone
from queue import SimpleQueue
from typing import Any, Optional

from pydantic_core import to_json

_MOST_WAITING = 10_000  # lines
_SECONDS = 0.02  # for which lines are collected before they are written
# Not sys.stdout, which has a lock: a signal handler, or the interpreter's exit, could deadlock on it.
_STDOUT = sys.__stdout__.fileno() if sys.__stdout__ else -1


class LineWriter:
    """Writes lines to a file descriptor: in a thread between `start` and `close`, else at once."""

    def __init__(self, descriptor: int) -> None:
        """Take the descriptor; the thread begins with `start`."""
        self._descriptor = descriptor
        self._waiting: SimpleQueue[Optional[bytes]] = SimpleQueue()
        self._thread: Optional[threading.Thread] = None
        # Two counters of lost lines, because two threads must not add to one.
        self._refused = self._failed = self._reported = 0

    @property
    def dropped(self) -> int:
        """The number of lines that were lost because the reader is slow or gone, or the disk is full."""
        return self._refused + self._failed

    def start(self) -> None:
        """Start the thread."""
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    def put(self, line: bytes) -> None:
        """Queue one line, or drop it where the queue is full; never blocks, and is safe in a signal handler."""
        if self._thread is None:
            self._write([line])
        elif self._waiting.qsize() < _MOST_WAITING:
            self._waiting.put(line)  # SimpleQueue's put may be interrupted by itself
        else:
            self._refused += 1

    def close(self, seconds: float = 1) -> None:
        """Write queued lines and end the thread; after `seconds` the process ends without it."""
        if self._thread is None:
            return
        self._waiting.put(None)
        self._thread.join(seconds)
        if not self._thread.is_alive():
            self._thread = None

    def _run(self) -> None:
        is_open = True
        while is_open:
            taken = [self._waiting.get()]
            # Waking this thread for each line would cost a request more than the line itself.
            time.sleep(_SECONDS)
            taken += [self._waiting.get() for _ in range(self._waiting.qsize())]
            lines = [line for line in taken if line is not None]
            is_open = len(lines) == len(taken)
            self._write(lines)

    def _write(self, lines: list[bytes]) -> None:
        dropped = self.dropped  # the queue was full then, so they were dropped after these lines
        for piece in _pieces(lines):
            self._failed += self._write_piece(piece)
        if dropped > self._reported:
            details = {"count": dropped - self._reported}
            if not self._write_piece(_line("warning", "log_dropped", details)):
                self._reported = dropped

    def _write_piece(self, piece: bytes) -> int:
        """Return how many lines could not be written."""
        try:
            while piece:
                piece = piece[os.write(self._descriptor, piece) :]
        except OSError:  # the reader is gone, the disk is full; the service continues
            return piece.count(b"\n")
        return 0


_WRITER = LineWriter(_STDOUT)
start, close = _WRITER.start, _WRITER.close


def log(level: str, event: str, **details: Any) -> None:
    """Log one line with time, level, event and the details that are not None."""
    _WRITER.put(_line(level, event, details))


def dropped() -> int:
    """Return how many lines were lost since the process began."""
    return _WRITER.dropped


class JsonHandler(logging.Handler):
    """Logs the records of libraries in the same format."""

    def emit(self, record: logging.LogRecord) -> None:
        """Log one record, with its traceback if it has one."""
        trace = logging.Formatter().formatException(record.exc_info) if record.exc_info else None
        log(
            record.levelname.lower(),
            "library",
            logger=record.name,
            message=record.getMessage(),
            trace=trace,
        )


def _line(level: str, event: str, details: dict[str, Any]) -> bytes:
    now = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
    given = {name: value for name, value in details.items() if value is not None}
    return bytes(to_json({"time": now, "level": level, "event": event, **given})) + b"\n"


def _pieces(lines: list[bytes]) -> Iterator[bytes]:
    """Join lines to pieces of up to PIPE_BUF bytes, which a pipe writes atomically: a kill leaves no partial line."""
    piece = b""
    for line in lines:
        if piece and len(piece) + len(line) > select.PIPE_BUF:
            yield piece
            piece = b""
        piece += line
    yield piece
