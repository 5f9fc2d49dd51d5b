"""Which jobs and steps of GitHub's workflows run when, with targets that only print their call (Makefile.dry)."""

from __future__ import annotations

import shutil

import pytest

SYSTEMS = "packages/mlops-kit/src/mlops_kit/ci/pipelines/systems/github"
GREEN = dict.fromkeys(("gates", "lint", "container", "all-green"), "success")
TRAIN, MONITOR = "17 3 * * 2", "17 5 * * 3"  # the schedules of train.yml
ROLE = {"AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/deploy"}


@pytest.mark.parametrize(
    ("event", "more"),
    [
        ("push", {"notify": "success"}),
        ("pull_request", {}),
        ("schedule", {"notify": "success", "cost": "success"}),
    ],
)
def test_ci_runs_these_jobs_for(act, dry, event, more):
    ran = act(dry, event, "ci.yml")
    assert ran.jobs == {**GREEN, **more}
    assert ("notify: make notify STATUS=success WHAT=ci" in ran.calls) == ("notify" in more)


def test_failing_gates_fail_all_green_and_send_a_notice(act, dry):
    ran = act(dry, "push", "ci.yml", FAIL="quality-gates")
    assert ran.jobs == {**GREEN, "gates": "failure", "all-green": "failure", "notify": "success"}
    assert [call for call in ran.calls if "notify" in call] == [
        "notify: make notify STATUS=failure WHAT=ci"
    ]
    assert {"gates: make ci-times", "gates: make ci-summary"} < set(ran.calls)
    assert (ran.artifacts / "gates-3.14/quality-gates").is_file()


@pytest.mark.parametrize(("fork", "runs"), [("team/churn", True), ("stranger/churn", False)])
def test_coverage_is_sent_for_pull_requests_of_our_own(act, dry, fork, runs):
    payload = {"pull_request": {"number": 7, "head": {"repo": {"full_name": fork}}}}
    ran = act(dry, "pull_request", "ci.yml", {}, {"CODECOV": "true"}, payload=payload)
    assert ran.jobs == {**GREEN, **({"coverage": "success"} if runs else {})}


def test_scan_with_findings_notifies_and_no_job_gets_a_role(act, dry):
    ran = act(dry, "workflow_dispatch", "deploy.yml", {}, ROLE, FAIL="image-scan")
    assert ran.jobs == {"export": "success", "scan": "failure", "notify": "success"}
    assert ran.calls[-1] == "notify: make notify STATUS=failure WHAT=deploy"


def test_training_that_fails_stops_there(act, dry):
    inputs = {"config": "c.yaml", "set": "a=1", "deploy": "true"}
    ran = act(dry, "workflow_dispatch", "train.yml", inputs, ROLE, FAIL="train")
    assert ran.jobs == {"train": "failure"}
    assert "[train] ENV= CONFIG=c.yaml SET=a=1" in ran.output
    assert [call for call in ran.calls if "make ci-" not in call] == [
        "train: make train",
        "train: make notify STATUS=failure WHAT=train",
    ]


def test_failed_model_is_neither_registered_nor_deployed(act, dry):
    ran = act(dry, "workflow_dispatch", "train.yml", {"deploy": "true"}, ROLE, FAIL="validate")
    assert ran.jobs == {"train": "failure"}
    assert not {"train: make register", "train: make export"} & set(ran.calls)
    assert "train: make notify STATUS=failure WHAT=train" in ran.calls
    assert [path.name for path in ran.artifacts.iterdir()] == ["train-1-1"]


def test_a_model_is_not_deployed_where_that_is_not_asked_for(act, dry):
    ran = act(dry, "workflow_dispatch", "train.yml", {"deploy": "false"}, ROLE)
    assert ran.jobs == {"train": "success"}


@pytest.mark.parametrize(
    ("cron", "variables", "jobs"),
    [
        (TRAIN, {}, {}),
        (TRAIN, {"MONITOR": "true"}, {}),
        (TRAIN, {"TRAIN": "true"}, {"train": "success"}),
        (
            TRAIN,
            {"TRAIN": "true", "DEPLOY": "true"},
            {"train": "success", "scan": "success", "staging": "success"},
        ),
        (MONITOR, {"TRAIN": "true", "DEPLOY": "true"}, {}),
        (MONITOR, {"MONITOR": "true", "DEPLOY": "true"}, {"monitor": "success"}),
    ],
)
def test_schedules_follow_their_variables(act, dry, cron, variables, jobs):
    ran = act(dry, "schedule", "train.yml", {}, {**ROLE, **variables}, payload={"schedule": cron})
    assert ran.jobs == jobs


def test_monitoring_by_hand_retrains_and_notifies(act, dry):
    ran = act(dry, "workflow_dispatch", "train.yml", {"monitor": "true", "deploy": "true"}, ROLE)
    assert ran.jobs == {"monitor": "success"}
    assert "monitor: make retrain" in ran.calls
    assert "monitor: make notify STATUS=success WHAT=monitor" in ran.calls


def test_a_registered_model_goes_to_staging(act, dry):
    ran = act(dry, "workflow_dispatch", "deploy.yml", {"model": "churn@previous"}, ROLE)
    assert ran.jobs == {"export": "success", "scan": "success", "staging": "success"}
    assert "[export] ENV= CONFIG= SET= MODEL=churn@previous" in ran.output
    assert "[deploy] ENV=staging" in ran.output


def test_a_typed_tag_goes_to_production_and_nothing_else_happens(act, dry):
    ran = act(dry, "workflow_dispatch", "deploy.yml", {"approve": "0123-v3"}, ROLE)
    assert ran.jobs == {"production": "success"}
    assert "APPROVE=0123-v3 IMAGE_TAG=0123-v3" in ran.output
    assert ran.calls[:2] == ["production: make deploy", "production: make verify"]


@pytest.mark.parametrize("inputs", [{}, {"approve": "0123-v3"}])
def test_failed_deployment_notifies_and_is_not_verified(act, dry, inputs):
    ran = act(dry, "workflow_dispatch", "deploy.yml", inputs, ROLE, FAIL="deploy")
    (job,) = [name for name, result in ran.jobs.items() if result == "failure"]
    assert f"{job}: make verify" not in ran.calls
    assert ran.calls[-1] == f"{job}: make notify STATUS=failure WHAT=deploy"
    assert f"{job}: make ci-summary" in ran.calls


@pytest.fixture(scope="module")
def in_place(dry, git, tmp_path_factory):
    """A function from a profile to the repository with the kit's workflows of that profile."""

    def place(profile: str):
        folder = tmp_path_factory.mktemp(profile) / "repository"
        shutil.copytree(dry, folder, symlinks=True)
        shutil.rmtree(folder / ".github/workflows")
        shutil.copytree(
            folder / SYSTEMS / profile / ".github", folder / ".github", dirs_exist_ok=True
        )
        git(folder, "add", "--all")
        git(folder, "commit", "--quiet", "--message", f"The profile {profile}")
        return folder

    return place


def test_profile_without_a_service_trains(act, in_place):
    repository = in_place("model")
    ran = act(repository, "push", "ci.yml")
    assert ran.jobs == {**{k: v for k, v in GREEN.items() if k != "container"}, "notify": "success"}
    assert act(repository, "workflow_dispatch", "train.yml").jobs == {"train": "success"}


def test_profile_without_aws_publishes(act, in_place):
    repository = in_place("service")
    assert act(repository, "push", "ci.yml").jobs == {**GREEN, "notify": "success"}
    registry = {"REGISTRY": "registry.example/team"}
    ran = act(repository, "workflow_dispatch", "train.yml", {"publish": "true"}, registry)
    assert ran.jobs == {"train": "success", "scan": "success", "publish": "success"}
    assert "publish: make notify STATUS=success WHAT=publish" in ran.calls
    ran = act(repository, "workflow_dispatch", "publish.yml", {"model": "churn@previous"}, registry)
    assert ran.jobs == {"export": "success", "scan": "success", "publish": "success"}
    assert "MODEL=churn@previous" in ran.output
    assert "publish: make image-push" in ran.calls
