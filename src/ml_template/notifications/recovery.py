"""Whether the run before this one failed.

A runner remembers nothing, so somebody else has to: the workflow, which gives PREVIOUS_STATUS, or GitHub, which is asked
for the run before of the same workflow and branch. A file in the CI system's cache would need steps in every workflow, and
an MLflow server is not there by default.
"""

from __future__ import annotations

import os

from .. import github
from ..ci_system import Build

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
_LONGEST_WAIT = 10  # seconds


def failed_before(build: Build) -> bool:
    """Tell whether the run before failed, as PREVIOUS_STATUS or GitHub say; False where neither says anything.

    Raises:
        UserError: GitHub does not answer the question.
    """
    given = os.environ.get("PREVIOUS_STATUS", "")
    if given:
        return given.lower() in _FAILURES
    if os.environ.get("GITHUB_ACTIONS") and os.environ.get("GITHUB_TOKEN"):
        return _ask_github(build.branch) in _FAILURES
    return False


def _ask_github(branch: str) -> str:
    """Return how the last attempt of this run, else the run before of this workflow and branch, ended."""
    repository = github.connect(_LONGEST_WAIT)
    run = os.environ.get("GITHUB_RUN_ID", "")
    attempt = int(os.environ.get("GITHUB_RUN_ATTEMPT") or 1)
    if attempt > 1:
        return str(repository.get(f"actions/runs/{run}/attempts/{attempt - 1}").get("conclusion"))
    # OWNER/NAME/.github/workflows/ci.yml@refs/heads/main
    workflow = os.environ.get("GITHUB_WORKFLOW_REF", "").partition("@")[0].rpartition("/")[2]
    asked = {"branch": branch, "status": "completed", "per_page": "20"}
    answer = repository.get(f"actions/workflows/{workflow}/runs", **asked)
    others = (each for each in answer["workflow_runs"] if str(each["id"]) != run)
    verdicts = (each["conclusion"] for each in others if each["conclusion"] in _VERDICTS)
    return next(verdicts, "")
