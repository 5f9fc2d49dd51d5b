"""The current CI build, from the environment variables of its CI system."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Build:
    """A build: its system, run, repository, commit and branch; unknown fields are empty."""

    system: str = ""
    run_url: str = ""
    report_url: str = ""
    repository_url: str = ""
    commit: str = ""
    branch: str = ""

    @property
    def commit_url(self) -> str:
        """The web page of the commit; GitHub, GitLab and Azure have the same path."""
        both = self.repository_url and self.commit
        return f"{self.repository_url}/commit/{self.commit}" if both else ""

    @property
    def repository(self) -> str:
        """The repository's name."""
        return self.repository_url.rpartition("/")[2]


# The variable that identifies the system, then the fields of Build from its variables. Of several templates for a field
# the first whose variables are set counts. Sources:
# https://docs.github.com/en/actions/reference/workflows-and-actions/variables
# https://docs.gitlab.com/ci/variables/predefined_variables/
# https://www.jenkins.io/doc/book/pipeline/jenkinsfile/#using-environment-variables
# https://circleci.com/docs/reference/variables/
# https://learn.microsoft.com/en-us/azure/devops/pipelines/build/variables
_SYSTEMS: dict[str, dict[str, tuple[str, ...]]] = {
    "GITHUB_ACTIONS": {
        "system": ("GitHub Actions",),
        "run_url": ("{GITHUB_SERVER_URL}/{GITHUB_REPOSITORY}/actions/runs/{GITHUB_RUN_ID}",),
        "report_url": (
            "{GITHUB_SERVER_URL}/{GITHUB_REPOSITORY}/actions/runs/{GITHUB_RUN_ID}#artifacts",
        ),
        "repository_url": ("{GITHUB_SERVER_URL}/{GITHUB_REPOSITORY}",),
        "commit": ("{GITHUB_SHA}",),
        "branch": ("{GITHUB_HEAD_REF}", "{GITHUB_REF_NAME}"),
    },
    "GITLAB_CI": {
        "system": ("GitLab CI",),
        "run_url": ("{CI_PIPELINE_URL}",),
        "report_url": ("{CI_JOB_URL}/artifacts/browse",),
        "repository_url": ("{CI_PROJECT_URL}",),
        "commit": ("{CI_COMMIT_SHA}",),
        "branch": ("{CI_COMMIT_REF_NAME}",),
    },
    "JENKINS_URL": {
        "system": ("Jenkins",),
        "run_url": ("{BUILD_URL}",),
        "report_url": ("{BUILD_URL}artifact/reports/",),
        "repository_url": ("{GIT_URL}",),
        "commit": ("{GIT_COMMIT}",),
        "branch": ("{BRANCH_NAME}", "{GIT_BRANCH}"),
    },
    "CIRCLECI": {
        "system": ("CircleCI",),
        "run_url": ("{CIRCLE_BUILD_URL}",),
        "report_url": ("{CIRCLE_BUILD_URL}#artifacts",),
        "repository_url": ("{CIRCLE_REPOSITORY_URL}",),
        "commit": ("{CIRCLE_SHA1}",),
        "branch": ("{CIRCLE_BRANCH}", "{CIRCLE_TAG}"),
    },
    "TF_BUILD": {
        "system": ("Azure Pipelines",),
        "run_url": (
            "{SYSTEM_COLLECTIONURI}{SYSTEM_TEAMPROJECT}/_build/results?buildId={BUILD_BUILDID}",
        ),
        "report_url": (
            "{SYSTEM_COLLECTIONURI}{SYSTEM_TEAMPROJECT}/_build/results?buildId={BUILD_BUILDID}"
            "&view=artifacts&type=publishedArtifacts",
        ),
        "repository_url": ("{BUILD_REPOSITORY_URI}",),
        "commit": ("{BUILD_SOURCEVERSION}",),
        "branch": ("{SYSTEM_PULLREQUEST_SOURCEBRANCH}", "{BUILD_SOURCEBRANCH}"),
    },
}


def build(variables: Mapping[str, str] = os.environ) -> Build:
    """Return the current build, from the CI system's variables; RUN_URL, COMMIT and BRANCH take precedence.

    Outside a CI system only those three are known.
    """
    words = next((words for name, words in _SYSTEMS.items() if variables.get(name)), {})
    found = {field: _first(patterns, variables) for field, patterns in words.items()}
    for field in ("run_url", "commit", "branch"):
        found[field] = variables.get(field.upper()) or found.get(field, "")
    found["branch"] = re.sub(r"^(refs/heads|refs/tags|origin)/", "", found["branch"])
    found["repository_url"] = _page(found.get("repository_url", ""))
    for field in ("run_url", "report_url"):
        found[field] = found.get(field, "").replace(" ", "%20")
    return Build(**found)


def _first(patterns: tuple[str, ...], variables: Mapping[str, str]) -> str:
    """Return the first pattern whose variables are all set, filled in."""
    known = defaultdict(str, variables)
    for pattern in patterns:
        if all(known[name] for name in re.findall(r"{(\w+)}", pattern)):
            return pattern.format_map(known)
    return ""


def _page(address: str) -> str:
    """Return the web page of a repository for its git URL (HTTPS or SSH), without credentials."""
    address = re.sub(r"^(ssh://)?git@([^:/]+)[:/]", r"https://\2/", address)
    address = re.sub(r"^(https?://)[^/@]*@", r"\1", address)
    return address[: -len(".git")] if address.endswith(".git") else address.rstrip("/")
