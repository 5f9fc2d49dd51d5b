"""Start the emulator in the background, and end it."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Optional

from ml_template.errors import UserError
from ml_template.files import write_json

from . import processes, settings
from .bootstrap import NAME, bootstrap

_START = 60.0  # seconds
_END = 60.0
_LIMITS = "it does not imitate IAM, networks, autoscaling, CPU limits or AWS's own delays: infra/local/README.md"


def up(given: settings.Settings) -> None:
    """Start the emulator, unless it runs, and make in it what Terraform makes in an account.

    Raises:
        UserError: It did not start, or its folder is of another port.
    """
    settings.check_port(given)
    if _running(given):
        print(f"local-up: it runs already on {given.url}")
    else:
        _start(given)
        print(f"local-up: started on {given.url}, log {_shown(given.folder / 'serve.log')}")
    made = bootstrap(given)
    print(
        f"local-up: cluster {NAME}, load balancer, registry and contract {'made' if made else 'are there'}"
    )
    print(f"production  http://{settings.HOST}:{given.production_port}")
    print(f"test        http://{settings.HOST}:{given.test_port}")
    print(f"not AWS: {_LIMITS}")
    print("next: make deploy ENV=local")


def down(given: settings.Settings) -> None:
    """End the emulator and all its tasks.

    Raises:
        UserError: It does not end.
    """
    process = _running(given)
    if process is None:
        print("local-down: it does not run")
        return
    processes.send(process, signal.SIGTERM)
    if not _wait(lambda: not processes.is_there(process), _END):
        raise UserError(f"the emulator (process {process['pid']}) does not end: kill it")
    _pid_file(given).unlink(missing_ok=True)
    folder = _shown(given.folder)
    print(f"local-down: ended, with all its tasks; {folder} keeps its state and images")
    print(f"next: make local-up goes on from there; rm -r {folder} forgets it")


def _start(given: settings.Settings) -> None:
    log = given.folder / "serve.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_bytes(b"")
    command = [sys.executable, "-m", "infra.local", "serve"]
    process = processes.start(command, Path.cwd(), os.environ, log)
    write_json(_pid_file(given), processes.identity(process.pid))
    _wait(lambda: process.poll() is not None or _healthy(given), _START)
    if process.poll() is not None or not _healthy(given):
        said = (
            log.read_text(encoding="utf-8", errors="replace").strip().splitlines() or ["nothing"]
        )[-1]
        raise UserError(f"the emulator did not start: {said.removeprefix('error: ')}")


def _running(given: settings.Settings) -> Optional[dict[str, Any]]:
    try:
        process: dict[str, Any] = json.loads(_pid_file(given).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return process if processes.is_there(process) else None


def _healthy(given: settings.Settings) -> bool:
    try:
        with urllib.request.urlopen(
            f"{given.url}/_local/health", timeout=2
        ) as answer:  # nosec B310 # http
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _wait(condition: Any, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True


def _pid_file(given: settings.Settings) -> Path:
    return given.folder / "serve.pid.json"


def _shown(path: Path) -> str:
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
