"""Whether the step failed the last time.

A runner remembers nothing, so somebody else has to, whoever is there: the workflow, which gives PREVIOUS_STATUS; GitHub,
which is asked for the run before of the same workflow and branch; or the MLflow server that MLFLOW_TRACKING_URI names, in
whose experiment `ci` each notice leaves its status. (A file in the CI system's cache would need steps in every workflow.)
"""

from __future__ import annotations

import os
from typing import Any

from mlops_kit.experiments import store

from .. import github
from ..metrics.history import EXPERIMENT
from ..system import Build

# In the words of GitHub, GitLab, CircleCI, Jenkins and Azure, in lower case.
_FAILURES = {
    "failure",
    "failed",
    "timed_out",
    "startup_failure",
    "unstable",
    "partiallysucceeded",
}
_VERDICTS = {"success", *_FAILURES}
# GitHub files these under the branch that they come from, which in a fork may be called main as well.
_PROPOSALS = {"pull_request", "pull_request_target"}
_LONGEST_WAIT = 10  # seconds


def failed_before(what: str, build: Build) -> bool:
    """Tell whether the step failed the last time on this branch; False where nobody knows.

    Raises:
        UserError: Who should know does not answer.
    """
    given = os.environ.get("PREVIOUS_STATUS", "")
    if given:
        return given.lower() in _FAILURES
    if _github_knows():
        return _ask_github(build.branch) in _FAILURES
    if _mlflow_knows():
        return _ask_mlflow(what, build.branch) in _FAILURES
    return False


def remember(what: str, build: Build, status: str) -> None:
    """Leave the status for the next time, where MLflow is who will be asked.

    Raises:
        UserError: The server does not take it.
    """
    if _github_knows() or not _mlflow_knows():
        return
    tags = {"notice.what": what, "notice.branch": build.branch, "notice.status": status}
    with store.connected() as client:
        experiment = store.experiment_id(client, EXPERIMENT)
        run = client.create_run(experiment, tags=tags, run_name=f"notice: {what}")
        client.set_terminated(run.info.run_id)


def _github_knows() -> bool:
    return bool(os.environ.get("GITHUB_ACTIONS") and os.environ.get("GITHUB_TOKEN"))


def _mlflow_knows() -> bool:
    return bool(os.environ.get("MLFLOW_TRACKING_URI"))


def _ask_github(branch: str) -> str:
    """Return how the last attempt of this run, else the run before of this workflow and branch, ended."""
    repository = github.connect(_LONGEST_WAIT)
    run = os.environ.get("GITHUB_RUN_ID", "")
    attempt = int(os.environ.get("GITHUB_RUN_ATTEMPT") or 1)
    if attempt > 1:
        return str(repository.get(f"actions/runs/{run}/attempts/{attempt - 1}").get("conclusion"))
    # OWNER/NAME/.github/workflows/ci.yml@refs/heads/main
    workflow = os.environ.get("GITHUB_WORKFLOW_REF", "").partition("@")[0].rpartition("/")[2]
    asked = {"branch": branch, "status": "completed", "per_page": "100"}
    answer = repository.get(f"actions/workflows/{workflow}/runs", **asked)
    others = (
        each
        for each in answer["workflow_runs"]
        if str(each["id"]) != run and each.get("event") not in _PROPOSALS
    )
    verdicts = (each["conclusion"] for each in others if each["conclusion"] in _VERDICTS)
    return next(verdicts, "")


def _ask_mlflow(what: str, branch: str) -> str:
    """Return the status of the last notice of this step and branch that was a verdict."""
    with store.connected() as client:
        experiment = store.experiment_id(client, EXPERIMENT)
        found: list[Any] = client.search_runs(
            [experiment],
            "tags.`notice.status` != 'cancelled'",
            order_by=["attributes.start_time DESC"],
            max_results=500,
        )
    # What people call a step or a branch may hold quotes, which MLflow's filters do not take.
    wanted = {"notice.what": what, "notice.branch": branch}
    same = (run.data.tags for run in found if wanted.items() <= run.data.tags.items())
    return next((tags["notice.status"] for tags in same), "")
