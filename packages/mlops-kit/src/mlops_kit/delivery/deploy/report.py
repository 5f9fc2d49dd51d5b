"""The report of a deployment: on the terminal while it runs, in reports/ and in the records when it ends."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

from mlops_kit.core.console import echo
from mlops_kit.core.files import write_json, write_text
from mlops_kit.core.job_summary import FILE as SUMMARY
from mlops_kit.core.job_summary import table

from . import release
from .diagnosis import Cause
from .records import RUNNING
from .release import Release

if TYPE_CHECKING:
    from .probe import Check

JSON = Path("reports/deploy.json")

UNWATCHED = 6
# By exit code.
OUTCOMES = {
    0: "deployed",
    2: "refused",
    3: "failed",
    4: "needs a person",
    5: "not ours",
    UNWATCHED: "unwatched",
}
_MEANS = {
    0: "The new version serves and was proved right.",
    2: "Refused before anything was changed.",
    3: "The deployment failed; the old version serves.",
    4: "A person has to look: see the state and the next command below.",
    5: "Somebody else's deployment is in flight, or has taken the place of this one.",
    UNWATCHED: "We stopped watching; ECS continues by itself.",
}
_NEXT = {
    0: "make status ENV={}",
    2: "make verify ENV={}",
    3: "make logs ENV={}",
    4: "make status ENV={0}, then make rollback ENV={0}",
    5: "make status ENV={}",
    UNWATCHED: "make deploy ENV={} RESUME=1",
}


@dataclass
class Report:
    """One run of the deployer."""

    kind: str  # deploy or rollback
    environment: str
    reason: str = ""
    by: str = field(default_factory=release.who)
    started_at: str = field(default_factory=release.now)
    digest: str = ""
    tag: str = ""
    model_version: str = ""
    commit: str = ""
    data_digest: str = ""
    strategy: str = ""
    previous: str = ""  # digest of what served before
    task_definition: str = ""
    deployment: str = ""  # ARN of the service deployment
    url: str = ""
    stages: list[dict[str, Any]] = field(default_factory=list)
    checks: list[dict[str, Any]] = field(default_factory=list)
    causes: list[dict[str, Any]] = field(default_factory=list)
    log_lines: list[str] = field(default_factory=list)
    # Weights and target health, where a person has to look.
    state: list[str] = field(default_factory=list)
    outcome: str = RUNNING
    exit_code: Optional[int] = None
    sentence: str = ""
    next: str = ""
    seconds: float = 0.0
    _start: float = field(default_factory=time.monotonic)
    _started: float = field(default_factory=time.time)

    def set_release(self, wanted: Release) -> None:
        """Set the release, and print it."""
        self.digest, self.tag, self.commit = wanted.digest, wanted.tag, wanted.commit
        self.model_version, self.data_digest = wanted.model_version, wanted.data_digest
        echo(f"{'release':<10} {wanted.name}, pushed {wanted.pushed_at} by {wanted.pushed_by}")

    def add_stage(self, name: str, detail: str = "") -> None:
        """Add a stage of ECS, and print it."""
        seconds = round(time.monotonic() - self._start, 1)
        self.stages.append({"stage": name, "seconds": seconds, "detail": detail})
        echo(f"{'ecs':<10} {seconds:6.1f} s  {name}{f'  {detail}' if detail else ''}")

    def print_event(self, message: str, at: datetime) -> None:
        """Print an event of the service, unless it is older than this run."""
        if at.timestamp() >= self._started:
            echo(f"{'event':<10} {message}")

    def add_checks(self, where: str, checks: list[Check], quiet: bool = False) -> None:
        """Add checks, and print them; `quiet` prints only failed ones, for checks that are repeated."""
        for check in checks:
            self.checks.append({"where": where, **check._asdict()})
            if not (quiet and check.passed):
                prefix = "" if check.passed else "FAILED: "
                echo(f"{where:<10} {prefix}{check.name}: {check.detail}")

    def set_causes(self, causes: list[Cause], lines: list[str]) -> None:
        """Set why tasks stopped and their last log lines, and print both."""
        self.causes, self.log_lines = [cause._asdict() for cause in causes], lines
        for cause in causes:
            echo(f"{'stopped':<10} {cause.tasks} x {cause.sentence}: {cause.stopped_reason}")
        for line in lines:
            echo(f"{'log':<10} {line}")

    def note(self, what: str, detail: str) -> None:
        """Print a line that is not kept."""
        echo(f"{what:<10} {detail}")

    def end(self, code: int, sentence: str) -> None:
        """Set the outcome and the next command."""
        self.exit_code, self.outcome = code, OUTCOMES.get(code, "fault")
        self.sentence, self.next = sentence, _NEXT.get(code, "").format(self.environment)
        self.seconds = round(time.monotonic() - self._start, 1)

    def record(self) -> dict[str, Any]:
        """Return the report, as reports/deploy.json and the records keep it."""
        return {key: value for key, value in asdict(self).items() if not key.startswith("_")}

    def write(self) -> None:
        """Write reports/deploy.json and reports/summary.md.

        Raises:
            OSError: They cannot be written.
        """
        write_json(JSON, self.record())
        write_text(SUMMARY, self._summary())

    def _summary(self) -> str:
        lines = [
            f"## {self.kind} to {self.environment}: {self.outcome} (exit code {self.exit_code})",
            "",
            f"{_MEANS.get(self.exit_code or 0, 'A fault of the program.')} {_capital(self.sentence)}.",
            "",
        ]
        if self.next:
            lines += [f"Next: `{self.next}`", ""]
        rows = {
            "release": f"`{self.tag}`" if self.tag else "",
            "model version": self.model_version,
            "image": f"`{self.digest}`" if self.digest else "",
            "commit": f"`{self.commit}`" if self.commit else "",
            "data": f"`{self.data_digest}`" if self.data_digest else "",
            "strategy": self.strategy,
            "by": self.by,
            "reason": self.reason,
            "started": self.started_at,
            "seconds": f"{self.seconds:g}",
            "address": self.url,
        }
        lines += table(["", ""], [[key, value] for key, value in rows.items() if value])
        if self.state:
            lines += ["### As it stands", "", *(f"- {line}" for line in self.state), ""]
        if self.causes:
            found = [[str(c["tasks"]), c["sentence"], c["stopped_reason"]] for c in self.causes]
            lines += ["### Stopped tasks", "", *table(["tasks", "cause", "reason from ECS"], found)]
        if self.log_lines:
            lines += ["```", *self.log_lines, "```", ""]
        if self.stages:
            found = [[str(s["seconds"]), s["stage"], s["detail"]] for s in self.stages]
            lines += ["### Stages", "", *table(["s", "stage", ""], found)]
        if self.checks:
            last = {(c["where"], c["name"]): c for c in self.checks}.values()
            found = [
                [c["where"], c["name"], "passed" if c["passed"] else "**failed**", c["detail"]]
                for c in last
            ]
            lines += ["### Checks", "", *table(["where", "check", "", ""], found)]
        return "\n".join(lines)


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]
