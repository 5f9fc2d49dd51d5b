"""Start and stop the emulator in the background."""

from __future__ import annotations

import os
import signal
import subprocess  # nosec B404 # for its type
import sys
import time
from pathlib import Path
from typing import Any

from . import processes, running, settings
from .errors import UserError

_START = 60.0  # seconds to wait for the start, and for the end
_END = 60.0


def up(given: settings.Settings, answers: dict[str, str]) -> None:
    """Start the emulator unless it runs, and set its `answers`, the choice of undocumented behaviours (worlds.py).

    Raises:
        UserError: It did not start, its folder is of another port, or the port is taken.
    """
    settings.check_port(given)
    if running.own_process(given):
        if not _wait(lambda: running.is_own(given), _START):
            raise UserError(f"the emulator runs, and does not answer on {given.url}")
        print(f"ecs-local: it runs already on {given.url}")
    else:
        running.refuse_others(given)
        _start(given)
        print(f"ecs-local: started on {given.url}, log {_shown(_log(given))}")
    for question, answer in running.choose(given, answers).items():
        print(f"ecs-local: {question}={answer}")
    print(f"not AWS: {settings.LIMITS}")


def down(given: settings.Settings) -> None:
    """Stop the emulator of this folder and all its tasks; another folder's is left alone.

    Raises:
        UserError: It does not end.
    """
    process = running.own_process(given)
    if process is None:
        print("ecs-local: it does not run")
        return
    processes.send(process, signal.SIGTERM)
    if not _wait(lambda: not processes.is_running(process), _END):
        raise UserError(f"the emulator (process {process['pid']}) does not end: kill it")
    running.forget(given)
    folder = _shown(given.folder)
    print(f"ecs-local: ended, with all its tasks; {folder} keeps its state and images")
    print(f"next: {settings.command('up')} continues from there; rm -r {folder} deletes it")


def _start(given: settings.Settings) -> None:
    log = _log(given)
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_bytes(b"")
    command = [sys.executable, "-m", __package__, "serve"]
    environment = {**os.environ, "LOCAL_PORT": str(given.port)}
    process = processes.start(command, Path.cwd(), environment, log)
    started = False
    try:
        ended = _wait(lambda: process.poll() is not None or running.is_own(given), _START)
        started = ended and process.poll() is None
    finally:  # also where Ctrl-C ends the waiting
        if not started:
            _stop(process)
    if not started:
        lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        reason = lines[-1].removeprefix("error: ") if lines else f"nothing within {_START:.0f} s"
        raise UserError(f"the emulator did not start: {reason}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End a process that failed to start, first with SIGTERM: it may have started tasks."""
    process.terminate()
    try:
        process.wait(_END)
    except subprocess.TimeoutExpired:
        process.kill()


def _wait(condition: Any, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True


def _log(given: settings.Settings) -> Path:
    return given.folder / "serve.log"


def _shown(path: Path) -> str:
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
