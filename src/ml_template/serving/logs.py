"""Log lines: one JSON object each, on standard output."""

from __future__ import annotations

import asyncio
import logging
import sys
from datetime import datetime, timezone
from typing import Any

from pydantic_core import to_json


def log(level: str, event: str, **details: Any) -> None:
    """Write one line at once; details that are None are left out."""
    _write([_line(level, event, details)])


class Log:
    """Writes what one turn of the event loop has to say in one go: under load a write for each line costs more."""

    def __init__(self) -> None:
        """Start with nothing to say."""
        self._lines: list[bytes] = []

    def soon(self, level: str, event: str, **details: Any) -> None:
        """Write one line before the event loop waits again."""
        self._lines.append(_line(level, event, details))
        if len(self._lines) == 1:
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        lines, self._lines = self._lines, []
        _write(lines)


class JsonHandler(logging.Handler):
    """Writes what libraries log in the same form."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        log(record.levelname.lower(), "library", logger=record.name, message=record.getMessage())


def _line(level: str, event: str, details: dict[str, Any]) -> bytes:
    now = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
    told = {"time": now, "level": level, "event": event, **details}
    return bytes(to_json(told, exclude_none=True))


def _write(lines: list[bytes]) -> None:
    sys.stdout.buffer.write(b"\n".join(lines) + b"\n")
    sys.stdout.buffer.flush()
