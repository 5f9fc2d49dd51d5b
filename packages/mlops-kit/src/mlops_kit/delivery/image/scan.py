"""Scan the image for known vulnerabilities: Python packages with pip-audit, system packages with trivy or grype."""

from __future__ import annotations

import json
import shutil
import subprocess  # nosec B404 # the scanners have no Python interface; no shell is involved
from pathlib import Path
from typing import Any, Optional

from mlops_kit.core.files import scratch, write_json

from .. import dependency_audit
from . import docker, sbom

REPORT = Path("reports/image-scan.json")

_LOCKS = ("docker/requirements-onnx.txt", "docker/requirements-skops.txt")
_SERIOUS = ("HIGH", "CRITICAL")
_SECONDS = 900  # timeout; a scanner's first run downloads its database


def scan(image: str) -> dict[str, Any]:
    """Scan the packages in `image`, write reports/image-scan.json and return it.

    Both parts, `python` and `system`, are reports as of `dependency_audit.audit`: `status` is "clean", "vulnerable", or
    "not audited" with a `reason`. A system package is vulnerable only if the severity is HIGH or CRITICAL and a fixed
    release exists; other findings are `held_back`.

    Raises:
        UserError: There is no Docker or no such image.
    """
    docker.require_engine()
    docker.inspect(image)
    report = {
        "image": image,
        "python": _python(sbom.installed(image)["packages"]),
        "system": _system(image),
    }
    write_json(REPORT, report)
    return report


def _python(packages: list[dict[str, str]]) -> dict[str, Any]:
    pins = "".join(f"{package['name']}=={package['version']}\n" for package in packages)
    with scratch() as folder:
        path = folder / "requirements.txt"
        path.write_text(pins, encoding="utf-8")
        return dependency_audit.audit_pins([path], [Path(lock) for lock in _LOCKS], "--no-deps")


def _system(image: str) -> dict[str, Any]:
    """Return the report on system packages by the first installed scanner, trivy or grype."""
    for name, options, read in (
        ("trivy", ("image", "--quiet", "--format", "json"), _trivy),
        ("grype", ("--quiet", "--output", "json"), _grype),
    ):
        scanner = shutil.which(name)
        if scanner is not None:
            answer, reason = _run_scanner([scanner, *options, image])
            if answer is None:
                return {"status": "not audited", "reason": f"{name}: {reason}"}
            problems = read(answer)
            fixable = [p for p in problems if p["fixed_in"] and p["severity"] in _SERIOUS]
            return {
                "status": "vulnerable" if fixable else "clean",
                "scanner": name,
                "vulnerable": fixable,
                "held_back": [p for p in problems if p not in fixable],
            }
    return {"status": "not audited", "reason": "neither trivy nor grype is installed"}


def _run_scanner(command: list[str]) -> tuple[Optional[dict[str, Any]], str]:
    """Return a scanner's JSON output, or None and the reason for the failure."""
    try:
        done = subprocess.run(  # nosec B603 # a list of arguments, no shell
            command, capture_output=True, text=True, timeout=_SECONDS, check=False
        )
        answer: dict[str, Any] = json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        return None, f"no answer within {_SECONDS} s"
    except ValueError:
        return None, (done.stderr.strip().splitlines() or ["it printed nothing"])[-1]
    return answer, ""


def _trivy(answer: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "package": found["PkgName"],
            "version": found["InstalledVersion"],
            "advisory": found["VulnerabilityID"],
            "severity": found["Severity"].upper(),
            "fixed_in": [found["FixedVersion"]] if found.get("FixedVersion") else [],
        }
        for result in answer.get("Results") or []
        if result.get("Class") == "os-pkgs"
        for found in result.get("Vulnerabilities") or []
    ]


def _grype(answer: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "package": match["artifact"]["name"],
            "version": match["artifact"]["version"],
            "advisory": match["vulnerability"]["id"],
            "severity": match["vulnerability"]["severity"].upper(),
            "fixed_in": match["vulnerability"]["fix"]["versions"],
        }
        for match in answer["matches"]
        if match["artifact"]["type"] in ("deb", "rpm", "apk")
    ]
