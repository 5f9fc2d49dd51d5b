"""The journal of requests that change moto's state, which is in memory: a restart replays them in order."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Optional

from .errors import UserError

_KEPT = ("REQUEST_METHOD", "PATH_INFO", "QUERY_STRING", "CONTENT_TYPE")


class Journal:
    """Requests that change state, one JSON line each."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: Optional[BinaryIO] = None
        self.next_number = 0

    def replay(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield the number and the WSGI environment of each request; `add` continues after the last.

        An incomplete last line, left by a kill, is removed: its request got no response.

        Raises:
            UserError: Another line is damaged.
        """
        data = self._path.read_bytes() if self._path.exists() else b""
        whole = data[: data.rfind(b"\n") + 1]
        if whole != data:
            with self._path.open("r+b") as file:
                file.truncate(len(whole))
        for number, line in enumerate(whole.splitlines(), 1):
            try:
                environ = _environ(json.loads(line))
            except (ValueError, KeyError):
                raise UserError(
                    f"{self._path}:{number} is damaged: remove its folder to start anew"
                ) from None
            self.next_number += 1
            yield self.next_number, environ

    def add(self, environ: dict[str, Any], body: bytes) -> int:
        """Write a request before it is executed, and return its number."""
        if self._file is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("ab")
        kept = {
            key: value
            for key, value in environ.items()
            if isinstance(value, str) and (key in _KEPT or key.startswith("HTTP_"))
        }
        line = {"environ": kept, "body": base64.b64encode(body).decode()}
        self._file.write(json.dumps(line).encode() + b"\n")
        self._file.flush()
        self.next_number += 1
        return self.next_number


def _environ(line: dict[str, Any]) -> dict[str, Any]:
    body = base64.b64decode(line["body"])
    return {
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SCRIPT_NAME": "",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        **line["environ"],
        "wsgi.input": io.BytesIO(body),
        "CONTENT_LENGTH": str(len(body)),
    }
