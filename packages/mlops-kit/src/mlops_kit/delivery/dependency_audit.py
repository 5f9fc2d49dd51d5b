"""Audit the dependencies that the lock installs on this Python for known vulnerabilities, with pip-audit."""

from __future__ import annotations

import json
import subprocess  # nosec B404 # pip-audit has no public Python interface
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.version import Version

from mlops_kit.core.errors import UserError
from mlops_kit.core.files import write_json
from mlops_kit.core.provenance import LOCK

REPORT = Path("reports/audit.json")
# The requirements of single make targets and, in the template's repository, of the kit's own tests.
_MORE = ("requirements/*.txt", "packages/*/tests/requirements.txt")

_SECONDS = 300  # timeout of pip-audit


def audit() -> dict[str, Any]:
    """Audit the lock, write the result to reports/audit.json and return it.

    Returns:
        `status` is "clean", "vulnerable", or "not audited" where the advisory service cannot be reached; `reason`
        then has the cause. `vulnerable` lists the findings that `make lock` can fix, `held_back` those that it
        cannot: the lock has the fixed release for newer Pythons only, or there is none yet. A finding has `package`,
        `version`, `advisory` and `fixed_in` (a list of versions).

    Raises:
        UserError: The lock is missing.
    """
    if not LOCK.is_file():
        raise UserError(f"{LOCK} not found: make lock writes it")
    locks = [LOCK, *sorted(path for pattern in _MORE for path in Path().glob(pattern))]
    report = audit_pins(locks, locks, "--require-hashes")
    write_json(REPORT, report)
    return report


def audit_pins(pins: Iterable[Path], locks: Iterable[Path], *options: str) -> dict[str, Any]:
    """Audit the packages in the files `pins` and return a report as `audit` does.

    Args:
        pins: Requirements files with exact versions.
        locks: Lock files with the releases that could be installed; they separate `held_back` from `vulnerable`.
        *options: Options of pip-audit.
    """
    found, reason = _run_pip_audit(pins, *options)
    if found is None:
        return {"status": "not audited", "reason": reason}
    newest = _newest_pins("".join(lock.read_text(encoding="utf-8") for lock in locks))
    held_back = [problem for problem in found if _held_back(problem, newest)]
    vulnerable = [problem for problem in found if problem not in held_back]
    status = "vulnerable" if vulnerable else "clean"
    return {"status": status, "vulnerable": vulnerable, "held_back": held_back}


def sentences(report: dict[str, Any]) -> list[str]:
    """Return one line for each finding in a report of `audit`."""
    return [
        f"{kind.replace('_', ' ')}: {problem['package']} {problem['version']}, {problem['advisory']}"
        f" (fixed in: {', '.join(problem['fixed_in']) or 'no release yet'})"
        for kind in ("vulnerable", "held_back")
        for problem in report.get(kind, [])
    ]


def _run_pip_audit(pins: Iterable[Path], *options: str) -> tuple[list[dict[str, Any]] | None, str]:
    """Return the advisories on the pins for this Python, or None and the reason why the audit failed."""
    command = [sys.executable, "-m", "pip_audit", "--strict", "--disable-pip", *options]
    command += ["--progress-spinner", "off", "--format", "json"]
    command += [word for path in pins for word in ("--requirement", str(path))]
    try:
        done = subprocess.run(  # nosec B603 # a fixed command, no shell
            command, capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return None, f"no answer within {_SECONDS} s"
    try:
        answer = json.loads(done.stdout)
    except ValueError:
        lines = done.stderr.strip().splitlines() or ["pip-audit printed nothing"]
        return None, lines[-1].rpartition("ERROR:pip_audit._cli:")[2]
    return [
        {
            "package": package["name"],
            "version": package["version"],
            "advisory": problem["id"],
            "fixed_in": problem["fix_versions"],
        }
        for package in answer["dependencies"]
        for problem in package.get("vulns", [])
    ], ""


def _newest_pins(lock: str) -> dict[str, Version]:
    """Return the highest version that the lock has of each package, over all Pythons."""
    newest: dict[str, Version] = {}
    for line in lock.splitlines():
        if line[:1].isalnum():
            pin = Requirement(line.rstrip(" \\"))
            version = Version(next(iter(pin.specifier)).version)
            newest[pin.name] = max(version, newest.get(pin.name, version))
    return newest


def _held_back(problem: dict[str, Any], newest: dict[str, Version]) -> bool:
    """Return whether this Python has no fixed release: there is none yet, or the lock has it for newer Pythons only."""
    here = Version(problem["version"])
    fixes = [Version(fix) for fix in problem["fixed_in"]]
    newer = [fix for fix in fixes if fix > here]
    return not newer or newest.get(problem["package"], here) >= min(newer)
