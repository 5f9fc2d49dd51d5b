"""Show the progress of the quality gates that make runs in parallel: a line for each result, and last the failed ones.

The Makefile calls `gates.py all make …`; below it timed.py calls `gates.py one TARGET -c COMMAND` for each line of a
recipe. It is run as a file, and needs only the standard library.
"""

from __future__ import annotations

import fcntl
import os
import re
import signal
import subprocess  # nosec B404 # it runs what make would run
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Optional

SHELL = "/bin/sh"
FAILED = "FAILED_GATES"  # names the file that gets the gates that failed

_SECONDS_BETWEEN_LINES = 15
# A line of pytest's dots, and the percentage of the tests at its end.
_DOTS = re.compile(r"^[.sxXEF]+ *(?:\[ *(\d+)%\])?$", re.MULTILINE)
_PROGRESS = re.compile(rf"(?:{_DOTS.pattern}|^bringing up nodes\.\.\.$)\n?", re.MULTILINE)


def run_all(make: list[str]) -> int:
    """Run make on the gates, print which ones failed, and return its exit code."""
    with tempfile.NamedTemporaryFile(prefix="gates-") as failed:
        code = _code(_start(make, {**os.environ, FAILED: failed.name}).wait())
        names = sorted(set(_text(failed.name).split()))
    if names:
        sys.stdout.write(
            f"quality gates: FAILED: {', '.join(names)} (see below the line of each above)\n"
        )
    return code


def run_one(target: str, arguments: list[str]) -> int:
    """Run a gate by the shell, print its progress every 15 s, then its result and output; return its exit code."""
    start = time.monotonic()
    environment = dict(os.environ)
    failed = Path(environment.pop(FAILED))  # not inherited by a make that the gate's tests run
    # The child's descriptor is not the one that is read: a shared one would have a shared offset.
    with tempfile.NamedTemporaryFile() as output:
        child = _start([SHELL, *arguments], environment, output)
        while True:
            try:
                code = _code(child.wait(_SECONDS_BETWEEN_LINES))
                break
            except subprocess.TimeoutExpired:
                _show(_line("runs", target, start, share(_text(output.name))), failed)
        text = _text(output.name)
    if code:
        _show(_line("FAILED", target, start) + text, failed, target)
    else:
        _show(_line("passed", target, start) + gist(text), failed)
    return code


def share(output: str) -> str:
    """Return the percentage of finished tests in pytest's output, like "  40 %", or an empty string."""
    shares = [found for found in _DOTS.findall(output) if found]
    return f"  {shares[-1]} %" if shares else ""


def gist(output: str) -> str:
    """Return the output of a gate that passed, without pytest's progress and without repeated empty lines."""
    left = re.sub(r"\n{3,}", "\n\n", _PROGRESS.sub("", output)).strip("\n")
    return f"{left}\n" if left else ""


def _start(
    command: list[str], environment: Mapping[str, str], output: Optional[IO[bytes]] = None
) -> subprocess.Popen[bytes]:
    """Start a program and forward SIGTERM and SIGHUP to it; it receives Ctrl-C from the terminal itself."""
    # The child inherits the descriptors of make's job server.
    child = subprocess.Popen(  # nosec B603 # make's own words
        command,
        env=environment,
        stdout=output,
        stderr=None if output is None else subprocess.STDOUT,
        close_fds=False,
    )
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _frame: child.send_signal(number))
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, lambda *_: None)
    return child


def _code(code: int) -> int:
    return 128 - code if code < 0 else code


def _line(state: str, target: str, start: float, more: str = "") -> str:
    return f"{state:<6}  {target:<16} {time.monotonic() - start:7.1f} s{more}\n"


def _text(file: str) -> str:
    return Path(file).read_bytes().decode(errors="replace")


def _show(text: str, failed: Path, name: str = "") -> None:
    """Print the text in one piece, also while other gates print, and record the name of one that failed."""
    with failed.open("a", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        if name:
            file.write(f"{name}\n")
        sys.stdout.write(text)
        sys.stdout.flush()


if __name__ == "__main__":
    if sys.argv[1] == "all":
        sys.exit(run_all(sys.argv[2:]))
    sys.exit(run_one(sys.argv[2], sys.argv[3:]))
