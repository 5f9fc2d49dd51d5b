"""Run a line of a recipe for make, and record the duration of its target: one JSON line in reports/ci-times.jsonl.

make calls this in place of the shell (SHELL in the Makefile): `timed.py TARGET -c COMMAND`. It is run as a file, by any
python3, and needs only the standard library, because it times the installation of everything else too.
"""

from __future__ import annotations

import fcntl
import json
import os
import platform
import signal
import subprocess  # nosec B404 # it runs what make would run
import sys
import time
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

FILE = Path("reports/ci-times.jsonl")
SHELL = ["/bin/sh"]
GATES = Path(__file__).with_name("gates.py")
REPORT = "ci-times"  # the target that reads the file


def shell(target: str) -> list[str]:
    """Return the command that runs the line: the shell or, under `make quality-gates`, gates.py, which shows the target."""
    if not os.environ.get("FAILED_GATES"):
        return SHELL
    return [sys.executable, "-IS", str(GATES), "one", target]


def run(by: list[str], arguments: list[str]) -> int:
    """Run the shell `by` and return its exit code, 128 + n where signal n ended it.

    The recipe stops with make: SIGTERM and SIGHUP are forwarded; the terminal sends Ctrl-C to the shell as well.
    """
    children: list[subprocess.Popen[bytes]] = []

    def pass_on(number: int, _frame: object) -> None:
        for child in children:
            child.send_signal(number)

    signal.signal(signal.SIGTERM, pass_on)
    signal.signal(signal.SIGHUP, pass_on)
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, lambda *_: None)
    # The child inherits the descriptors of make's job server.
    command = [*by, *arguments[:-1], _replacing_the_shell(arguments[-1])]
    child = subprocess.Popen(command, close_fds=False)  # nosec B603 # make's own words
    children.append(child)
    code = child.wait()
    return 128 - code if code < 0 else code


def _replacing_the_shell(command: str) -> str:
    """Return the command with `exec` in front where it is a single program, which then replaces the shell.

    The shell would not forward signals; make also starts such a program without a shell.
    """
    first = command.split(" ")[0]
    is_program = first == "make" or ("/" in first and "=" not in first)
    is_list = bool(set(command.replace("\\\n", "")) & set(";&|(){}`!\n"))
    return f"exec {command}" if is_program and not is_list else command


def note(target: str, started: float, seconds: float, code: int, cache_hit: bool) -> None:
    """Add a line for the target, or add to its line where this make has already run a part of its recipe.

    Args:
        target: The target of make.
        started: Seconds since the epoch.
        seconds: The duration.
        code: The exit code.
        cache_hit: Whether a cache was restored. It counts for the first line since the last `make ci-times`; the
            others repeat it, because later restored files cannot be distinguished from new ones.
    """
    FILE.parent.mkdir(exist_ok=True)
    with FILE.open("a+", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # make -j
        file.seek(0)
        lines = [line for line in map(_parsed, file) if line]
        if lines and lines[-1]["target"] != REPORT:
            cache_hit = lines[-1]["cache_hit"]
        make = os.getppid()
        parts = [line for line in lines if (line["target"], line["make"]) == (target, make)]
        for part in parts:
            lines.remove(part)
            started, seconds = _timestamp(part["started"]), seconds + float(part["seconds"])
        lines.append(_line(target, started, seconds, code, cache_hit, make))
        file.truncate(0)
        file.writelines(json.dumps(line) + "\n" for line in lines)


def _parsed(text: str) -> dict[str, Any] | None:
    """Return a line of FILE, or None for a partial one, left by a kill or a full disk: the others still count."""
    try:
        line = json.loads(text)
        return (
            line if {"target", "make", "seconds", "started", "cache_hit"} <= line.keys() else None
        )
    except (ValueError, AttributeError):
        return None


def _restored() -> bool:
    """Return whether CI_CACHE, the folder that the CI system caches, has files; without CI_CACHE, whether .venv has."""
    folder = Path(os.environ.get("CI_CACHE") or ".venv")
    return folder.is_dir() and any(folder.iterdir())


def _line(
    target: str, started: float, seconds: float, code: int, cache_hit: bool, make: int
) -> dict[str, Any]:
    return {
        "target": target,
        "seconds": round(seconds, 3),
        "exit": code,
        "commit": _commit(),
        # The kind of machine, not its name: durations on machines of one kind are comparable.
        "runner": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "cache_hit": cache_hit,
        "started": datetime.fromtimestamp(started, timezone.utc).isoformat(timespec="milliseconds"),
        "make": make,
    }


def _timestamp(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _commit() -> str:
    """Return the commit that is checked out, or an empty string."""
    command = ["git", "rev-parse", "--verify", "--quiet", "HEAD"]
    try:
        done = subprocess.run(  # nosec B603 # a fixed command
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False
        )
    except OSError:  # there is no git
        return ""
    return done.stdout.decode().strip()


def main(target: str, arguments: list[str]) -> int:
    """Run the line, record it, and return its exit code."""
    # `make --dry-run` runs only lines with $(MAKE) in them: that is no duration.
    flags = os.environ.get("MAKEFLAGS", "").split(" ")[0]
    is_dry = "n" in flags and not flags.startswith("-")
    cache_hit = _restored()
    started, clock = time.time(), time.perf_counter()
    code = run(shell(target), arguments)
    if not is_dry:
        name = "install" if target.startswith(".venv/") else target
        with suppress(
            OSError, ValueError, KeyError
        ):  # the build must not fail because of its timing
            note(name, started, time.perf_counter() - clock, code, cache_hit)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
