"""GitHub's workflows from the gates to production, for real. The tests build on each other, in this order."""

from __future__ import annotations

import json
import re

import pytest
import requests


def summary(ran, name: str) -> str:
    return (ran.artifacts / name / "summary.md").read_text()


def test_gates_lint_and_container_pass_and_send_a_notice(act, repository, github, notices):
    light = "--no-cov -k test_configs"
    ran = act(repository, "push", "ci.yml", **github, PYTEST_ADDOPTS=light)
    wanted = ("gates", "lint", "container", "all-green", "notify")
    assert ran.jobs == dict.fromkeys(wanted, "success")
    assert notices.take() == ["churn: ci succeeded on main"]
    for target in ("quality-gates", "lint", "test"):
        assert f"| {target} |" in summary(ran, "gates-3.14")
    for secret in notices.secrets.values():
        assert secret not in ran.output


@pytest.fixture(scope="module")
def release() -> dict[str, str]:
    """The release that passed staging: `tag` and `digest`."""
    return {}


def test_trained_model_notifies_and_serves_in_staging(
    act, repository, github, notices, cloud, release
):
    inputs = {"deploy": "true"}
    ran = act(repository, "workflow_dispatch", "train.yml", inputs, **github, **cloud.variables)
    assert ran.jobs == {"train": "success", "scan": "success", "staging": "success"}
    assert notices.take() == ["churn: train succeeded on main"]
    assert "## Validation" in summary(ran, "train-1-1")
    assert "## deploy to staging: deployed" in summary(ran, "staging-1")
    record = json.loads((ran.artifacts / "release-1/image.json").read_text())
    release.update(tag=record["tag"].rpartition(":")[2], digest=record["digest"])
    assert re.findall(r"^attested: .+@(.+)$", ran.output, re.M) == [release["digest"]]


def test_production_takes_the_tag_that_staging_proved(
    act, repository, github, notices, cloud, release
):
    inputs = {"approve": release["tag"]}
    ran = act(repository, "workflow_dispatch", "deploy.yml", inputs, **github, **cloud.variables)
    assert ran.jobs == {"production": "success"}
    assert notices.take() == ["churn: deploy succeeded on main"]
    assert "## deploy to production: deployed" in summary(ran, "production-1")
    assert _release_of(cloud) == release["digest"]


def _release_of(cloud) -> str:
    return requests.get(f"{cloud.production}/version", timeout=10).json()["release"]


def test_failed_model_notifies_and_is_not_deployed(act, repository, github, notices, cloud):
    inputs = {"set": "validation.thresholds.accuracy=1.0", "deploy": "true"}
    ran = act(repository, "workflow_dispatch", "train.yml", inputs, **github, **cloud.variables)
    assert ran.jobs == {"train": "failure"}
    assert "train: make register" not in ran.calls
    assert "**failed**" in summary(ran, "train-1-1")
    assert notices.take() == ["churn: train failed on main"]


def test_broken_release_is_rolled_back_in_summary_and_notice(
    act, repository, break_service, github, notices, cloud, release
):
    break_service()
    ran = act(repository, "workflow_dispatch", "deploy.yml", **github, **cloud.variables)
    assert ran.jobs == {"export": "success", "scan": "success", "staging": "failure"}
    assert "## deploy to staging: failed" in summary(ran, "staging-1")
    assert "staging: make verify" not in ran.calls
    (text,) = [each["blocks"][-1]["text"]["text"] for each in notices.slack]
    assert "## deploy to staging: failed" in text
    assert notices.take() == ["churn: deploy failed on main"]
    assert _release_of(cloud) == release["digest"]
