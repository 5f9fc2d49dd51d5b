"""The previous status of a step, for notices of recovery.

A runner keeps no state. The status comes from the first that is available: the workflow, in PREVIOUS_STATUS; GitHub,
from the previous run of the same workflow and branch; the MLflow server of MLFLOW_TRACKING_URI, in whose experiment
`ci` each notice saves its status. (A file in the CI system's cache would need steps in every workflow.)
"""

from __future__ import annotations

import os
from typing import Any

from mlops_kit.experiments import store

from .. import github
from ..metrics.history import EXPERIMENT
from ..system import Build

# The statuses of GitHub, GitLab, CircleCI, Jenkins and Azure, in lower case.
_FAILURES = {
    "failure",
    "failed",
    "timed_out",
    "startup_failure",
    "unstable",
    "partiallysucceeded",
}
_CONCLUSIONS = {"success", *_FAILURES}
# GitHub lists these under their source branch, which in a fork may be called main as well.
_PROPOSALS = {"pull_request", "pull_request_target"}
_LONGEST_WAIT = 10  # seconds


def failed_before(what: str, build: Build) -> bool:
    """Return whether the last run of the step on this branch failed; False where that is unknown.

    Raises:
        UserError: GitHub or MLflow does not respond.
    """
    given = os.environ.get("PREVIOUS_STATUS", "")
    if given:
        return given.lower() in _FAILURES
    if _is_on_github():
        return _status_on_github(build.branch) in _FAILURES
    if _has_mlflow():
        return _status_in_mlflow(what, build.branch) in _FAILURES
    return False


def save(what: str, build: Build, status: str) -> None:
    """Save the status for the next run in MLflow, unless it is read from GitHub.

    Raises:
        UserError: The server refuses it.
    """
    if _is_on_github() or not _has_mlflow():
        return
    tags = {"notice.what": what, "notice.branch": build.branch, "notice.status": status}
    with store.connect() as client:
        experiment = store.experiment_id(client, EXPERIMENT)
        run = client.create_run(experiment, tags=tags, run_name=f"notice: {what}")
        client.set_terminated(run.info.run_id)


def _is_on_github() -> bool:
    return bool(os.environ.get("GITHUB_ACTIONS") and os.environ.get("GITHUB_TOKEN"))


def _has_mlflow() -> bool:
    return bool(os.environ.get("MLFLOW_TRACKING_URI"))


def _status_on_github(branch: str) -> str:
    """Return the status of the last attempt of this run, else of the previous run of this workflow and branch."""
    repository = github.connect(_LONGEST_WAIT)
    run = os.environ.get("GITHUB_RUN_ID", "")
    attempt = int(os.environ.get("GITHUB_RUN_ATTEMPT") or 1)
    if attempt > 1:
        return str(repository.get(f"actions/runs/{run}/attempts/{attempt - 1}").get("conclusion"))
    # OWNER/NAME/.github/workflows/ci.yml@refs/heads/main
    workflow = os.environ.get("GITHUB_WORKFLOW_REF", "").partition("@")[0].rpartition("/")[2]
    query = {"branch": branch, "status": "completed", "per_page": "100"}
    answer = repository.get(f"actions/workflows/{workflow}/runs", **query)
    others = (
        each
        for each in answer["workflow_runs"]
        if str(each["id"]) != run and each.get("event") not in _PROPOSALS
    )
    conclusions = (each["conclusion"] for each in others if each["conclusion"] in _CONCLUSIONS)
    return next(conclusions, "")


def _status_in_mlflow(what: str, branch: str) -> str:
    """Return the status of the last notice of this step and branch, without cancelled ones."""
    with store.connect() as client:
        experiment = store.experiment_id(client, EXPERIMENT)
        found: list[Any] = client.search_runs(
            [experiment],
            "tags.`notice.status` != 'cancelled'",
            order_by=["attributes.start_time DESC"],
            max_results=500,
        )
    # Names of steps and branches may hold quotes, which MLflow's filters do not accept.
    wanted = {"notice.what": what, "notice.branch": branch}
    same = (run.data.tags for run in found if wanted.items() <= run.data.tags.items())
    return next((tags["notice.status"] for tags in same), "")
