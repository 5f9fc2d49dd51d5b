"""Ship finished files of records from the service's folder to S3, or to another folder, by day and hour.

It runs next to the service, as a process or a container of its own, and no request waits for it. A file is removed only
after it was shipped, and its name never changes, so a kill of either process neither loses nor duplicates a written row.
While shipping fails, files stay, and the service drops the oldest.
"""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any, BinaryIO, Optional

from mlops_kit.core import s3_url
from mlops_kit.core.errors import UserError, exit_on_error, one_line
from mlops_kit.core.files import write_bytes

from . import record_files, s3
from .logs import log
from .settings import ServeConfig, load_serve

Put = Callable[[str, bytes], None]  # a path below the destination, and the content

_SECONDS = 1.0  # between two polls of the folder
_MOST_SECONDS = 60.0  # between two attempts while shipping fails
# A file without rows that is younger may have been created by a process that has not locked it yet.
_EMPTY_SECONDS = 60.0
_BESIDE = 5.0  # seconds that a service takes to end after its last request


class Shipper:
    """Ships finished files from one folder."""

    def __init__(self, folder: Path, put: Put) -> None:
        """Take the folder, which is created, and the function that stores a file."""
        self._folder, self._put = folder, put
        folder.mkdir(parents=True, exist_ok=True)

    def ship(self) -> None:
        """Ship all finished files, the oldest first.

        Raises:
            Exception: A file cannot be shipped; it and all newer ones stay.
        """
        for path in self._files():
            with record_files.taken(path) as file:
                if file:
                    self._ship(path, file)

    def is_empty(self) -> bool:
        """Return whether no file is left, finished or not."""
        return not self._files()

    def _files(self) -> list[Path]:
        return sorted(self._folder.glob(f"*{record_files.LINES}"))

    def _ship(self, path: Path, file: BinaryIO) -> None:
        content = record_files.whole_lines(file.read())
        rows = content.count(b"\n") - 1  # the first line is the head
        if rows > 0:
            self._put(record_files.place(path.name), content)
            log("info", "shipped", file=path.name, rows=rows)
        elif time.time() - path.stat().st_mtime < _EMPTY_SECONDS:
            return  # its process has not locked it yet
        path.unlink(missing_ok=True)


def main() -> None:
    """Ship as configs/serve.yaml describes until SIGTERM or Ctrl-C, then what is left; a second signal ends it at once."""
    with exit_on_error():
        settings = load_serve()
        record = settings.record
        for key in ("folder", "to"):
            if getattr(record, key) is None:
                raise UserError(
                    f"record.{key} of configs/serve.yaml is nothing, so nothing can be shipped; set it, or"
                    f' SERVE_SET="record.folder=data/recorded record.to=data/predictions"'
                )
        shipper = Shipper(Path(str(record.folder)), destination(str(record.to)))
        ended = _signals()
        log("info", "shipping", folder=record.folder, to=record.to)
        _run(shipper, ended)
        _end(shipper, settings)


def destination(to: str) -> Put:
    """Return the function that stores files in `to`: a folder, or an s3:// URL.

    Raises:
        UserError: It is a URL without a bucket.
    """
    if to.startswith("s3://"):
        return _into_s3(to)
    return lambda name, content: write_bytes(Path(to) / name, content)


def _into_s3(url: str) -> Put:
    """Return the function that uploads files below `url`; the client is created for the first one."""
    bucket, prefix = s3_url.split(url)
    if not bucket:
        raise UserError(f"record.to is {url!r}; accepted: a folder, or s3://BUCKET/PREFIX")
    clients: list[Any] = []

    def put(name: str, content: bytes) -> None:
        clients[:] = clients or [s3.client()]
        key = f"{prefix.rstrip('/')}/{name}".lstrip("/")
        clients[0].put_object(Bucket=bucket, Key=key, Body=content)

    return put


def _signals() -> threading.Event:
    """Return an event that the first SIGTERM or Ctrl-C sets; the second ends the process."""
    ended = threading.Event()

    def end(_number: int, _frame: Optional[FrameType]) -> None:
        if ended.is_set():
            sys.exit(0)
        ended.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    return ended


def _run(shipper: Shipper, ended: threading.Event) -> None:
    pause = _SECONDS
    while not ended.wait(pause):
        pause = _SECONDS if _try(shipper) else min(2 * pause, _MOST_SECONDS)


def _end(shipper: Shipper, settings: ServeConfig) -> None:
    """Ship until the service, which is stopped at the same time, has finished its last file, or its time to end is over."""
    limits = settings.limits
    deadline = time.monotonic() + limits.drain_seconds + limits.seconds + _BESIDE
    while not (_try(shipper) and shipper.is_empty()) and time.monotonic() < deadline:
        time.sleep(_SECONDS / 4)
    log("info", "shipped all" if shipper.is_empty() else "files are left")


def _try(shipper: Shipper) -> bool:
    """Ship, and return whether it succeeded; an error is only logged, because the next attempt may succeed."""
    try:
        shipper.ship()
    except Exception as error:
        log("error", "not shipped", error=f"{type(error).__name__}: {one_line(error)}")
        return False
    return True
