"""What a pipeline's run has to say, in one page of Markdown, and where the CI system shows it."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any, Optional

from ..console import say
from ..deployment.report import SUMMARY
from ..errors import UserError
from ..images import image

COVERAGE = Path("reports/coverage.xml")
VALIDATION = Path("reports/validation.json")
PAGE = Path("reports/ci-summary.md")


def show() -> str:
    """Write the page from what lies in reports/, give it to the CI system, and return where it went.

    GitHub appends the file that GITHUB_STEP_SUMMARY names; Azure Pipelines (TF_BUILD) attaches what a logged command
    names; elsewhere it is printed, and kept as reports/ci-summary.md.
    """
    page = "\n\n".join(part.strip() for part in _parts() if part) or "Nothing was reported."
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page + "\n", encoding="utf-8")
    github = os.environ.get("GITHUB_STEP_SUMMARY")
    if github:
        with Path(github).open("a", encoding="utf-8") as file:
            file.write(page + "\n")
    elif os.environ.get("TF_BUILD"):
        say(f"##vso[task.uploadsummary]{PAGE.resolve()}")
    else:
        say(page)
    return github or str(PAGE)


def outputs() -> dict[str, str]:
    """Return the pushed image's name and digest, and append them to the file that GITHUB_OUTPUT names.

    Raises:
        UserError: Nothing was pushed.
    """
    record = image.built()
    if record["digest"] is None:
        raise UserError(f"{image.RECORD} has no digest: make push ENV=… first")
    found = {"name": record["reference"].partition("@")[0], "digest": record["digest"]}
    if os.environ.get("GITHUB_OUTPUT"):
        with Path(os.environ["GITHUB_OUTPUT"]).open("a", encoding="utf-8") as file:
            file.writelines(f"{key}={value}\n" for key, value in found.items())
    return found


def _parts() -> list[str]:
    return [_read(SUMMARY), _validation(), _coverage(), _read(Path("reports/ci-times.md"))]


def _validation() -> str:
    found = _json(VALIDATION)
    if found is None:
        return ""
    verdict = "good enough" if found["passed"] else "**not good enough**"
    rows = [
        f"| {c['name']} | {c['measured']} | {c['asked']} | {'passed' if c['passed'] else '**failed**'} |"
        for c in found["checks"]
    ]
    head = ["| check | measured | asked | |", "|---|---|---|---|"]
    return "\n".join([f"## The model is {verdict}", "", *head, *rows])


def _coverage() -> str:
    found = re.search(r'line-rate="([\d.]+)"', _read(COVERAGE))
    return f"Lines covered by tests: {float(found[1]):.1%}" if found else ""


def _json(path: Path) -> Optional[dict[str, Any]]:
    text = _read(path)
    return json.loads(text) if text else None


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""
