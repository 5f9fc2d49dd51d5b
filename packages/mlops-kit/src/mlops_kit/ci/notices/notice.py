"""The content of a notice, for all channels."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from mlops_kit.core.errors import UserError, did_you_mean

from ..system import Build

STATUSES = ("success", "failure", "cancelled")
RECOVERY = "recovery"
REPORT = "report"  # not the status of a step

_ENDINGS = {
    "success": "succeeded",
    "failure": "failed",
    "cancelled": "was cancelled",
    RECOVERY: "works again",
}
_SUMMARY_CHARACTERS = 2500  # Slack takes 3,000 in a block


class Fact(NamedTuple):
    """A line of a notice; `url` is empty where there is no page."""

    name: str
    text: str
    url: str = ""


@dataclass(frozen=True)
class Notice:
    """A pipeline's step, its status, and the summary that `make` wrote."""

    status: str  # one of STATUSES, RECOVERY or REPORT
    what: str
    build: Build
    summary: str = ""

    @property
    def title(self) -> str:
        """The notice in one line."""
        title = f"{self.build.repository or Path.cwd().name}: {self.what}"
        if self.status == REPORT:
            return title
        where = f" on {self.build.branch}" if self.build.branch else ""
        return f"{title} {_ENDINGS[self.status]}{where}"

    @property
    def facts(self) -> list[Fact]:
        """The known facts of the build: run, commit, branch and report; none has an empty text."""
        build = self.build
        facts = [
            Fact("Run", build.system or "open", build.run_url),
            Fact("Commit", build.commit[:12], build.commit_url),
            Fact("Branch", build.branch),
            Fact("Report", "open", build.report_url),
        ]
        is_text = ("Commit", "Branch")  # the others are links only
        return [fact for fact in facts if fact.url or (fact.text and fact.name in is_text)]

    def recovered(self) -> Notice:
        """Return the notice with the status RECOVERY, for a success after a failure."""
        return replace(self, status=RECOVERY)


def write(status: str, what: str, summary: Path, build: Build) -> Notice:
    """Return the notice, with the beginning of the file `summary`, which may be missing.

    Raises:
        UserError: STATUS or WHAT is invalid.
    """
    what = " ".join(what.split())  # a subject is one line
    if status not in STATUSES:
        accepted = ", ".join(STATUSES) + did_you_mean(status, STATUSES)
        raise UserError(f"STATUS is {status!r}; accepted: {accepted}")
    if not 0 < len(what) <= 80:
        raise UserError(f"WHAT is {what!r}; accepted: 1 to 80 characters, like train")
    return Notice(status, what, build, beginning(summary))


def beginning(path: Path) -> str:
    """Return at most 2,500 characters of a file, in whole lines; an empty string where there is no file."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
    if len(text) <= _SUMMARY_CHARACTERS:
        return text
    return text[:_SUMMARY_CHARACTERS].rpartition("\n")[0] + "\n…"
