"""Show reports/summary.md on the CI system's own page, completed with validation and coverage of reports/."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

from mlops_kit.core import job_summary
from mlops_kit.core.console import echo
from mlops_kit.core.errors import UserError
from mlops_kit.delivery.image import build

COVERAGE = Path("reports/coverage.xml")
VALIDATION = Path("reports/validation.json")


def show() -> None:
    """Complete reports/summary.md and pass it to the CI system.

    On GitHub it is appended to the file GITHUB_STEP_SUMMARY; on Azure Pipelines (TF_BUILD) a printed logging command
    uploads the file; elsewhere it is printed.
    """
    _add_validation()
    _add_coverage()
    page = job_summary.FILE.read_text(encoding="utf-8") if job_summary.FILE.is_file() else ""
    if os.environ.get("GITHUB_STEP_SUMMARY"):
        with Path(os.environ["GITHUB_STEP_SUMMARY"]).open("a", encoding="utf-8") as file:
            file.write(page)
    elif os.environ.get("TF_BUILD") and page:
        echo(f"##vso[task.uploadsummary]{job_summary.FILE.resolve()}")
    else:
        echo(page or f"summary: {job_summary.FILE} is not there, so nothing was reported")


def outputs() -> dict[str, str]:
    """Return the pushed image's `name` and `digest`, and append them to the file GITHUB_OUTPUT, if it is set.

    Raises:
        UserError: Nothing was pushed.
    """
    record = build.built()
    if record["digest"] is None:
        raise UserError(f"{build.RECORD} has no digest: make push ENV=… or make image-push first")
    found = {"name": record["reference"].partition("@")[0], "digest": record["digest"]}
    if os.environ.get("GITHUB_OUTPUT"):
        with Path(os.environ["GITHUB_OUTPUT"]).open("a", encoding="utf-8") as file:
            file.writelines(f"{key}={value}\n" for key, value in found.items())
    return found


def _add_validation() -> None:
    if VALIDATION.is_file():
        found = json.loads(VALIDATION.read_text(encoding="utf-8"))
        rows = [
            [c["name"], c["measured"], c["threshold"], "passed" if c["passed"] else "**failed**"]
            for c in found["checks"]
        ]
        sentence = (
            "The model meets the thresholds."
            if found["passed"]
            else "**The model does not meet the thresholds.**"
        )
        table = job_summary.table(["check", "measured", "threshold", ""], rows)
        job_summary.put_section("Validation", [sentence, "", *table])


def _add_coverage() -> None:
    if COVERAGE.is_file():
        found = re.search(r'line-rate="([\d.]+)"', COVERAGE.read_text(encoding="utf-8"))
        if found:
            job_summary.put_section(
                "Tests", [f"They run through {float(found[1]):.1%} of the lines."]
            )
