"""Start processes that outlive this one, and identify them later."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess  # nosec B404 # tasks are processes; no shell is involved
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from . import settings


def start(
    command: Sequence[str], folder: Path, environment: Mapping[str, str], log: Path
) -> subprocess.Popen[bytes]:
    """Start a process in a session of its own; its output is appended to `log`."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        return subprocess.Popen(  # nosec B603 # a list of arguments, no shell
            command,
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def identity(pid: int) -> dict[str, Any]:
    """Return the identity of a process: its id and start time, because ids are reused."""
    return {"pid": pid, "started": _start_time(pid)}


def is_running(process: Mapping[str, Any]) -> bool:
    """Return whether the process of `identity` still runs."""
    return bool(process["started"]) and _start_time(process["pid"]) == process["started"]


def send(process: Mapping[str, Any], number: int) -> None:
    """Send a signal to the process and its children, unless its id has been reused."""
    if is_running(process):
        with contextlib.suppress(ProcessLookupError):  # it ended in between
            leads = os.getpgid(process["pid"]) == process["pid"]
            (os.killpg if leads else os.kill)(process["pid"], number)


def kill(process: Mapping[str, Any]) -> None:
    """Kill the process and its children."""
    send(process, signal.SIGKILL)


def free_port() -> int:
    """Return a free port of the loopback interface."""
    with socket.create_server((settings.HOST, 0)) as listener:
        return int(listener.getsockname()[1])


def _start_time(pid: int) -> str:
    """Return when a process started, or an empty string if it does not run."""
    try:
        # After the name, which may contain anything but ends at the last bracket: field 3 is the state, field 22 the
        # start time (https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html).
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return "" if fields[0] == "Z" else fields[19]
    except OSError:
        if Path("/proc/self/stat").exists():
            return ""
    # macOS has no /proc.
    command = ["/bin/ps", "-o", "lstart=", "-p", str(pid)]
    done = subprocess.run(  # nosec B603 # a list of arguments, no shell
        command, capture_output=True, text=True, check=False
    )
    return done.stdout.strip()
