"""Lint the Makefile and its includes: declared targets, GNU make 3.81, and recipes that pass ShellCheck."""

from __future__ import annotations

import itertools
import json
import re
import subprocess  # nosec B404 # ShellCheck is a program
import sys
from pathlib import Path
from typing import Any

MAKEFILE = Path("Makefile")
INCLUDED = Path("packages")

# A loop or case over one constant word: the word stands for an expression of make.
_EXCLUDED = "SC2043,SC2194"

# Ignored or an error in GNU make 3.81, which macOS ships.
_NOT_IN_3_81 = (
    (r"^\S+\s*!=", "!= assignment"),
    (r"^\.ONESHELL:", ".ONESHELL"),
    (r"^\.SHELLFLAGS\b", ".SHELLFLAGS"),
    (r"\$\(file\s", "$(file …)"),
    (r"^\S+\s*::=", "::= assignment"),
)


def findings() -> list[str]:
    """Return the findings as lines: FILE:LINE: problem."""
    found = []
    for file in (MAKEFILE, *sorted(INCLUDED.rglob("*.mk"))):
        lines = file.read_text(encoding="utf-8").splitlines()
        found += [*_in_lines(file, lines), *_in_targets(file, lines), *_in_recipes(file, lines)]
    return found


def _in_lines(file: Path, lines: list[str]) -> list[str]:
    found = []
    for number, line in enumerate(lines, 1):
        problems = [
            f"{what} is not in GNU make 3.81"
            for pattern, what in _NOT_IN_3_81
            if re.search(pattern, line)
        ]
        if line != line.rstrip():
            problems.append("white space at the end")
        found += [f"{file}:{number}: {what}" for what in problems]
    return found


def _in_targets(file: Path, lines: list[str]) -> list[str]:
    """Check for .PHONY: a target without it is not run once a file has its name."""
    phony = {name for line in lines if line.startswith(".PHONY:") for name in line.split()[1:]}
    targets = {
        found[1]: n
        for n, line in enumerate(lines, 1)
        if (found := re.match(r"([a-z][a-z-]*):(?!=)", line))
    }
    missing = [
        f"{file}:{targets[name]}: {name} is not .PHONY" for name in targets if name not in phony
    ]
    return missing + [
        f"{file}: {name} is .PHONY, but no target" for name in sorted(phony - set(targets))
    ]


def _in_recipes(file: Path, lines: list[str]) -> list[str]:
    found = []
    for number, script in _recipes(lines):
        for comment in _shellcheck(script):
            line = number + comment["line"] - 1
            found.append(f"{file}:{line}: SC{comment['code']}: {comment['message']}")
    return found


def _recipes(lines: list[str]) -> list[tuple[int, str]]:
    """Return line number and text of each command as the shell gets it, with make's expressions as plain words."""
    found: list[tuple[int, str]] = []
    continued = False
    for number, line in enumerate(lines, 1):
        if line.startswith("\t"):
            text = line[1:]
            if continued:
                found[-1] = (found[-1][0], f"{found[-1][1]}\n{text}")
            else:
                found.append((number, text.lstrip("@-+")))
        continued = line.startswith("\t") and line.endswith("\\")
    return [(number, _as_shell(script)) for number, script in found]


def _as_shell(script: str) -> str:
    numbers = itertools.count()  # one word each, or ShellCheck would take them for the same file
    script = re.sub(r"\$[@<^?*]", lambda _: f"word{next(numbers)}", script.replace("$$", "\0"))
    inner = re.compile(r"\$\([^()$]*\)")  # from the innermost, since they nest
    while inner.search(script):
        script = inner.sub(lambda _: f"word{next(numbers)}", script)
    return script.replace("\0", "$")


def _shellcheck(script: str) -> list[dict[str, Any]]:
    done = subprocess.run(  # nosec B603 # a list of arguments, no shell
        [
            str(Path(sys.executable).with_name("shellcheck")),
            "--shell=sh",
            "--format=json",
            f"--exclude={_EXCLUDED}",
            "-",
        ],
        input=script,
        capture_output=True,
        text=True,
        check=False,
    )
    comments: list[dict[str, Any]] = json.loads(done.stdout)
    return comments
