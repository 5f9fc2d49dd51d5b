"""The repository's jobs on GitHub Actions.

Sources: https://docs.github.com/en/rest/actions/workflow-runs and https://docs.github.com/en/rest/actions/workflow-jobs
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple

from mlops_kit.core.errors import UserError

from ..github import Repository


class Job(NamedTuple):
    """A job that ran: `minutes` are rounded up, as GitHub bills them."""

    workflow: str
    name: str
    labels: list[str]
    started: datetime
    minutes: int


def since(repository: Repository, begin: datetime) -> Iterator[Job]:
    """Yield the jobs, in every attempt, of the workflow runs that were created since `begin`.

    An older run that was re-run since then is left out: GitHub lists runs by their creation. (It can also filter by
    date, but then returns at most 1,000 runs.)

    Raises:
        UserError: GitHub refuses, or its response is not as documented.
    """
    # A run that begins meanwhile moves others to the next page, which returns them again.
    seen = set()
    try:
        for page in repository.pages("actions/runs"):
            for run in page["workflow_runs"]:
                if _moment(run["created_at"]) < begin:
                    return
                if run["id"] not in seen:
                    seen.add(run["id"])
                    yield from _of_run(repository, run)
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"GitHub's answer is not as documented ({error!r})") from None


def _of_run(repository: Repository, run: dict[str, Any]) -> Iterator[Job]:
    # An attempt that re-runs only the failed jobs has copies of the others, with new ids.
    seen = set()
    for page in repository.pages(f"actions/runs/{run['id']}/jobs", filter="all"):
        for job in page["jobs"]:
            same = tuple(job[key] for key in ("name", "started_at", "completed_at", "runner_name"))
            # A job that was skipped, or cancelled in the queue, never had a runner.
            ran = job["completed_at"] and job["runner_name"] and job["conclusion"] != "skipped"
            if ran and same not in seen:
                seen.add(same)
                started = _moment(job["started_at"])
                seconds = (_moment(job["completed_at"]) - started).total_seconds()
                minutes = max(1, math.ceil(seconds / 60))
                workflow = str(run["name"] or run["path"])
                yield Job(workflow, job["name"], list(job["labels"]), started, minutes)


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))
