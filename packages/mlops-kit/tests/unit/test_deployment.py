"""The parts of a deployment that need no AWS: the contract, the task definition, causes, errors and the report."""

import json
import re
from datetime import datetime, timezone
from pathlib import Path

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError

from mlops_kit.artifact import folder
from mlops_kit.core.errors import UserError
from mlops_kit.delivery.deploy import (
    aws,
    container_secrets,
    contract,
    diagnosis,
    first_deployment,
    permission,
    release,
    task_definition,
)
from mlops_kit.delivery.deploy.deployment_configuration import deployment_configuration
from mlops_kit.delivery.deploy.probe import Check, failures
from mlops_kit.delivery.deploy.report import JSON, SUMMARY, Report
from mlops_kit.delivery.deploy.settings import load_deploy
from mlops_kit.delivery.region import region
from mlops_kit.serving.settings import load_serve

pytestmark = pytest.mark.usefixtures("checkout")

ROOT = Path(__file__).parents[4]
DIGEST = f"sha256:{'ab' * 32}"
CONTRACT = {
    "environment": "staging",
    "region": "eu-central-1",
    "account_id": "123456789012",
    "cluster": "c",
    "service": "s",
    "container_port": 8000,
    "subnets": ["subnet-1"],
    "security_groups": ["sg-1"],
    "repository": "registry.example/x",
    "records_bucket": "records",
    "blue_target_group": "arn:blue",
    "green_target_group": "arn:green",
    "production_rule": "arn:production",
    "test_rule": "arn:test",
    "production_url": "https://x.example",
    "test_url": "http://x.example:8080",
    "load_balancer_role": "arn:role/lb",
    "execution_role": "arn:role/execution",
    "task_role": "arn:role/task",
    "log_group": "/x",
    "alarms": ["5xx"],
    "secrets": {"API_KEY": "arn:secret"},
}
RELEASE = release.Release(
    digest=DIGEST,
    tag="0123456789ab-v3",
    commit="0123456789ab" + 28 * "0",
    registered_model="churn",
    model_version="3",
    model_commit="c0",
    data_digest="d0",
    pushed_by="ann@desk",
    pushed_at="2026-11-24T12:00:00Z",
    golden=[{"row": {"a": 1}, "answer": {"prediction": 1.0}}],
    tolerance=1e-5,
    scale=1.0,
)


def parsed(**changes: object) -> contract.Contract:
    return contract.parse(json.dumps({**CONTRACT, **changes}), "/x/deploy")


def test_a_contract_that_is_a_step_ahead_is_read():
    assert parsed(a_key_of_tomorrow=1) == parsed()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("no json", "Invalid JSON"),
        ("[]", "Input should be an object"),
        (json.dumps({**CONTRACT, "subnets": []}), "subnets: List should have at least 1 item"),
        (json.dumps({**CONTRACT, "account_id": "12"}), "account_id: String should match pattern"),
        (json.dumps({**CONTRACT, "production_url": "x"}), "production_url: String should match"),
        (json.dumps({"environment": "x"}), "cluster: Field required; service: Field required"),
    ],
)
def test_invalid_contract_is_refused_by_key(text, message):
    with pytest.raises(UserError) as caught:
        contract.parse(text, "/x/deploy")
    assert str(caught.value).startswith("the SSM parameter /x/deploy is no contract: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_task_definition_names_the_image_by_digest_and_carries_what_it_is():
    config = load_deploy("staging")
    request = task_definition.request(RELEASE, config, parsed())
    (container,) = request["containerDefinitions"]
    assert container["image"] == f"registry.example/x@{DIGEST}"
    assert container["secrets"] == [{"name": "API_KEY", "valueFrom": "arn:secret"}]
    environment = {each["name"]: each["value"] for each in container["environment"]}
    own = {"HOST": "0.0.0.0", "PORT": "8000", "RELEASE": DIGEST}
    assert environment == {**own, "AWS_DEFAULT_REGION": "eu-central-1"}
    tags = {tag["key"]: tag["value"] for tag in request["tags"]}
    assert tags == {
        "release": RELEASE.tag,
        "commit": RELEASE.commit,
        "model-version": "3",
        "data-digest": "d0",
    }
    assert task_definition.digest(request) == DIGEST


def test_where_predictions_go_a_second_container_ships_them_and_cannot_end_the_task(monkeypatch):
    monkeypatch.setenv("DEPLOY_SET", "'environment={A: b, SERVE_SET: record.share=0.5}'")
    to = "s3://bucket/predictions"
    request = task_definition.request(RELEASE, load_deploy("staging"), parsed(predictions=to))
    app, shipper = request["containerDefinitions"]
    assert (app["essential"], shipper["essential"]) == (True, False)
    assert shipper["image"] == app["image"]
    assert shipper["command"] == ["--ship"]
    assert shipper["restartPolicy"] == {"enabled": True, "restartAttemptPeriod": 60}
    assert "secrets" not in shipper
    assert "portMappings" not in shipper
    for container in (app, shipper):
        environment = {each["name"]: each["value"] for each in container["environment"]}
        assert (
            environment["SERVE_SET"] == f"record.folder=predictions record.to={to} record.share=0.5"
        )
        assert environment["A"] == "b"
        places = {each["sourceVolume"]: each["containerPath"] for each in container["mountPoints"]}
        assert places["predictions"] == "/app/predictions"
    assert {each["name"] for each in request["volumes"]} == {"tmp", "predictions"}
    without = task_definition.request(RELEASE, load_deploy("staging"), parsed())
    assert not task_definition.is_same(request, without)
    assert not task_definition.is_same(without, request)


def test_its_settings_are_those_that_the_service_reads(monkeypatch):
    to = "s3://bucket/predictions"
    request = task_definition.request(RELEASE, load_deploy("local"), parsed(predictions=to))
    (given,) = (
        each["value"]
        for each in request["containerDefinitions"][0]["environment"]
        if each["name"] == "SERVE_SET"
    )
    monkeypatch.setenv("SERVE_SET", given)
    record = load_serve().record
    assert (record.folder, record.to, record.minutes) == ("predictions", to, 0.1)
    dockerfile = (ROOT / "docker/Dockerfile").read_text()
    assert f'VOLUME ["/tmp", "/app/{record.folder}"]' in dockerfile


@pytest.mark.parametrize("url", ["bucket/predictions", "s3://bucket", "s3://b/a b"])
def test_a_contract_whose_predictions_go_nowhere_is_refused(url):
    with pytest.raises(UserError, match="predictions: String should match"):
        parsed(predictions=url)


def test_what_ecs_adds_does_not_make_another_task_definition_but_any_setting_does(monkeypatch):
    def wanted() -> dict:
        return task_definition.request(RELEASE, load_deploy("staging"), parsed())

    kept = {**wanted(), "revision": 7, "status": "ACTIVE", "compatibilities": ["FARGATE"]}
    (container,) = kept["containerDefinitions"]
    container.update(cpu=0, volumesFrom=[], systemControls=[])
    container["portMappings"][0].update(hostPort=8000)
    container["environment"].reverse()
    assert task_definition.is_same(wanted(), kept)
    assert not task_definition.is_same(wanted(), None)
    for change in ("tasks.cpu=512", "environment={A: b}", "tasks.stop_seconds=31"):
        monkeypatch.setenv("DEPLOY_SET", f"'{change}'")
        assert not task_definition.is_same(wanted(), kept), change


@pytest.mark.parametrize(
    ("strategy", "steps", "pauses"),
    [
        ("BLUE_GREEN", {}, ["POST_TEST_TRAFFIC_SHIFT"]),
        (
            "CANARY",
            {"canaryConfiguration": {"canaryPercent": 5.0, "canaryBakeTimeInMinutes": 2}},
            ["POST_TEST_TRAFFIC_SHIFT", "PRE_PRODUCTION_TRAFFIC_SHIFT"],
        ),
        (
            "LINEAR",
            {"linearConfiguration": {"stepPercent": 5.0, "stepBakeTimeInMinutes": 2}},
            ["POST_TEST_TRAFFIC_SHIFT", "PRE_PRODUCTION_TRAFFIC_SHIFT"],
        ),
    ],
)
def test_each_strategy_pauses_where_ecs_lets_it(monkeypatch, strategy, steps, pauses):
    overrides = f"strategy={strategy} steps.percent=5 steps.bake_minutes=2 deadline_minutes=90"
    monkeypatch.setenv("DEPLOY_SET", overrides)
    made = deployment_configuration(load_deploy("staging"), parsed())
    assert made["strategy"] == strategy
    (hook,) = made["lifecycleHooks"]
    assert hook["lifecycleStages"] == pauses
    assert hook["timeoutConfiguration"] == {"timeoutInMinutes": 15, "action": "ROLLBACK"}
    assert {key: made[key] for key in made if key.endswith("Configuration")} == steps
    assert made["alarms"] == {"alarmNames": ["5xx"], "enable": True, "rollback": True}


def test_without_alarms_none_are_asked_for():
    made = deployment_configuration(load_deploy("staging"), parsed(alarms=[]))
    assert made["alarms"] == {"alarmNames": [], "enable": False, "rollback": False}
    made = deployment_configuration(load_deploy("staging"), parsed(), alarms=False)
    assert made["alarms"] == {"alarmNames": ["5xx"], "enable": False, "rollback": False}


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ("strategy=LINEAR steps.percent=2.9", "steps.percent is 2.9; accepted for LINEAR: 3 to"),
        ("steps.percent=100.1", "steps.percent is 100.1; accepted: percent of the requests, 0.1"),
        ("steps.percent=10.25", "steps.percent is 10.25; accepted: percent of the requests, 0.1"),
    ],
)
def test_percents_that_ecs_does_not_take_are_refused(monkeypatch, overrides, message):
    monkeypatch.setenv("DEPLOY_SET", overrides)
    with pytest.raises(UserError) as caught:
        load_deploy("staging")
    assert f"DEPLOY_SET: {message}" in str(caught.value)


@pytest.mark.parametrize(
    ("overrides", "problem"),
    [
        (
            "strategy=LINEAR",
            "deadline_minutes is 30, but LINEAR waits 47 minutes (9 steps of 5 minutes and bake_minutes: 2) and needs"
            " 19 beside them: shorten the waits, or set deadline_minutes: 66",
        ),
        ("strategy=LINEAR deadline_minutes=65", "deadline_minutes is 65, but LINEAR waits 47"),
        ("strategy=LINEAR deadline_minutes=66", ""),
        ("bake_minutes=21", "deadline_minutes is 30, but BLUE_GREEN waits 21 minutes (bake_min"),
        ("bake_minutes=20", ""),
        ("strategy=CANARY steps.bake_minutes=18", "deadline_minutes is 30, but CANARY waits 20"),
        ("strategy=CANARY steps.percent=0.1", ""),
        ("strategy=LINEAR steps.percent=3 steps.bake_minutes=0 deadline_minutes=45", ""),
        ("strategy=LINEAR steps.percent=100", ""),
    ],
)
def test_a_deadline_fits_the_waits(monkeypatch, overrides, problem):
    monkeypatch.setenv("DEPLOY_SET", overrides)
    found = load_deploy("staging").deadline_problem()
    assert bool(found) == bool(problem)
    assert found.startswith(problem)


@pytest.mark.parametrize("name", ["staging", "production"])
def test_deadlines_of_the_shipped_configs_fit(name):
    assert load_deploy(name).deadline_problem() == ""


def test_seconds_of_a_minute_are_the_emulators(monkeypatch):
    monkeypatch.setenv("DEPLOY_SET", "strategy=LINEAR deadline_minutes=0.6")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:4510")
    monkeypatch.setenv("LOCAL_MINUTE", "0.5")
    assert load_deploy("staging").deadline_problem() == ""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://ecs.example")
    assert load_deploy("staging").deadline_problem().startswith("deadline_minutes is 0.6")


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({"AWS_REGION": "a-1", "AWS_DEFAULT_REGION": "b-1", "AWS_PROFILE": "p"}, "a-1"),
        ({"AWS_DEFAULT_REGION": "b-1", "AWS_PROFILE": "p"}, "b-1"),
        ({"AWS_PROFILE": "p"}, "c-1"),
        ({}, "d-1"),
    ],
)
def test_the_region_is_found_in_the_order_of_the_sdks(monkeypatch, tmp_path, given, found):
    (tmp_path / "config").write_text("[profile p]\nregion = c-1\n")
    names = ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE")
    for name in names:
        monkeypatch.delenv(name, raising=False)
    own = {"AWS_CONFIG_FILE": str(tmp_path / "config"), "PROJECT_REGION": "d-1"}
    for name, value in {**own, **given}.items():
        monkeypatch.setenv(name, value)
    assert region() == found
    monkeypatch.setenv("AWS_PROFILE", "other")
    monkeypatch.delenv("AWS_REGION", raising=False)
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    with pytest.raises(UserError, match="AWS_PROFILE: The config profile"):
        region()


@pytest.mark.parametrize(
    ("behind", "key", "version"),
    [
        ("", "", {}),
        (":password::", "password", {}),
        (":password:AWSPREVIOUS:", "password", {"VersionStage": "AWSPREVIOUS"}),
        (":::0123", "", {"VersionId": "0123"}),
    ],
)
def test_a_secret_is_named_as_a_task_definition_does(behind, key, version):
    arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:x/staging/key-AbCdEf"
    assert container_secrets.parse(f"{arn}{behind}") == (arn, key, version)
    parameter = "arn:aws:ssm:eu-west-1:123456789012:parameter/key"
    assert container_secrets.parse(parameter) == (parameter, "", {})


@pytest.mark.parametrize(
    ("given", "is_approved"),
    [
        ({}, False),
        ({"approval": "0123456789ab-v2"}, False),
        ({"reason": "it is urgent"}, False),
        ({"approval": "0123456789ab-v3"}, True),
        ({"approval": "pipeline"}, True),
        ({"is_rollback": True}, True),
    ],
)
def test_a_release_is_approved_by_its_own_tag_or_by_a_pipeline(given, is_approved):
    assert permission.Wanted(RELEASE, **given).is_approved is is_approved


def test_the_checklist_names_what_verify_looks_at():
    text = (ROOT / "docs/first-aws-deployment.md").read_text(encoding="utf-8")
    named = re.findall(r"^\| \d+ \| `(.+?)` \|", text, re.MULTILINE)
    assert tuple(named) == first_deployment.STEPS


def stopped(reason: str, code: object = None, stop_code: str = "EssentialContainerExited") -> dict:
    container = {"name": "app"} if code is None else {"name": "app", "exitCode": code}
    return {"stopCode": stop_code, "stoppedReason": reason, "containers": [container]}


@pytest.mark.parametrize(
    ("task", "cause"),
    [
        (stopped("CannotPullContainerError: pull image manifest"), "the image could not be pulled"),
        (
            stopped("CannotPullContainerError: no descriptor matching platform 'linux/amd64'"),
            "the image is made for other machines",
        ),
        (stopped("ResourceInitializationError: unable to pull secrets"), "a secret could not be"),
        (stopped("ResourceInitializationError: no network"), "the task could not be prepared"),
        (stopped("OutOfMemoryError: Container killed", 137), "ran out of memory"),
        (stopped("Essential container in task exited", 137), "was killed, as it is when it runs"),
        (stopped("Essential container in task exited", 1), "ended by itself with exit code 1"),
        (stopped("Task failed ELB health checks in (target-group arn)"), "never became healthy"),
        (stopped("Something new"), "Something new"),
        (stopped(""), "ECS gave no reason"),
    ],
)
def test_stopped_task_has_a_cause(task, cause):
    (found,) = diagnosis.causes([task])
    assert cause in found.sentence


def test_tasks_that_stopped_alike_are_one_cause():
    ids = ("0123456789abcdef0123", "fedcba98765432100123")
    tasks = [stopped(f"Task failed ELB health checks in (task {one})") for one in ids]
    causes = diagnosis.causes([*tasks, stopped("Essential container in task exited", 2)])
    assert [cause.tasks for cause in causes] == [2, 1]


def test_no_room_for_a_task_is_read_from_the_events():
    began, later = (datetime(2026, 11, 24, 12, n, tzinfo=timezone.utc) for n in (0, 1))
    full = {"message": "(service s) was unable to place a task. Reason: Capacity is unavailable."}
    well = {"message": "reached a steady state", "createdAt": later}
    happened = {"events": [{**full, "createdAt": later}]}
    assert "Capacity is unavailable" in diagnosis.placement(happened, began)
    assert diagnosis.placement(happened, later + (later - began)) == ""  # of an earlier deployment
    assert diagnosis.placement({"events": [well]}, began) == ""


def refusal(code: str, status: int = 400) -> ClientError:
    answer = {
        "Error": {"Code": code, "Message": "no"},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return ClientError(answer, "Op")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (refusal("ThrottlingException"), "passing"),
        (refusal("ServerException", 500), "passing"),
        (refusal("AnythingElse", 503), "passing"),
        (EndpointConnectionError(endpoint_url="http://x"), "passing"),
        (refusal("ExpiredTokenException"), "expired"),
        (NoCredentialsError(), "expired"),
        (refusal("AccessDeniedException"), "denied"),
        (refusal("InvalidParameterException"), ""),
    ],
)
def test_what_an_error_of_aws_means(error, kind):
    found = {
        "passing": aws.is_passing(error),
        "expired": aws.is_expired(error),
        "denied": aws.is_denied(error),
    }
    assert [name for name, holds in found.items() if holds] == [kind][: bool(kind)]
    assert "\n" not in aws.sentence(error)


def test_report_on_terminal_and_in_files_agrees(capsys):
    report = Report("deploy", "staging", "urgent | very")
    report.set_release(RELEASE)
    report.add_stage("SCALE_UP")
    report.print_event("has started 1 tasks", datetime.now(timezone.utc))
    report.print_event("of last week", datetime(2026, 1, 1, tzinfo=timezone.utc))
    report.add_checks("test", [Check("ready", True, "200"), Check("golden", False, "off by 0.3")])
    report.add_checks("production", [Check("limits", True, "quick")], quiet=True)
    report.set_causes(diagnosis.causes([stopped("Essential container", 1)]), ["last words"])
    report.end(3, "golden: off by 0.3")
    report.write()
    record = json.loads(JSON.read_text())
    assert (record["outcome"], record["exit_code"], record["digest"]) == ("failed", 3, DIGEST)
    assert record["next"] == "make logs ENV=staging"
    assert not [key for key in record if key.startswith("_")]
    summary = SUMMARY.read_text()
    for part in (
        "## deploy to staging: failed (exit code 3)",
        "Golden: off by 0.3.",
        "urgent \\| very",
        "| test | golden | **failed** | off by 0.3 |",
        "the container ended by itself with exit code 1",
        "last words",
        "make logs ENV=staging",
    ):
        assert part in summary, part
    output = capsys.readouterr().out
    assert "has started 1 tasks" in output
    assert "of last week" not in output
    assert "FAILED: golden: off by 0.3" in output
    assert "quick" not in output


def test_failures_has_only_failed_checks():
    assert failures([Check("a", True, "fine"), Check("b", False, "bad")]) == "b: bad"
    assert failures([Check("a", True, "fine")]) == ""


def exported(**changes: object) -> None:
    """Write an exported model, as far as a release looks at it."""
    card = {
        "version": "3",
        "data_digest": "d0",
        "registered_model": "churn",
        "golden": RELEASE.golden,
        "parity": {"tolerance": 1e-5, "scale": 1.0},
        **changes,
    }
    folder.FOLDER.mkdir(parents=True)
    (folder.FOLDER / "model.json").write_text(json.dumps(card))
    (folder.FOLDER / "model.onnx").write_bytes(b"onnx")
    sums = folder.sums(folder.FOLDER, ["model.json", "model.onnx"])
    (folder.FOLDER / "SHA256SUMS").write_text(sums)


IMAGE = {
    "tag": f"x:{RELEASE.tag}",
    "commit": RELEASE.commit,
    "registered_model": "churn",
    "model_version": "3",
    "model_commit": "c0",
    "data_digest": "d0",
}


def test_a_release_is_what_the_image_and_the_model_say():
    exported()
    made = release.of_image(IMAGE, DIGEST)
    who = {"pushed_by": RELEASE.pushed_by, "pushed_at": RELEASE.pushed_at}
    assert made.model_copy(update=who) == RELEASE
    assert release.parse(made.model_dump_json()) == made


@pytest.mark.parametrize("change", [{"version": "4"}, {"data_digest": "d1"}])
def test_a_model_that_the_image_does_not_hold_makes_no_release(change):
    exported(**change)
    with pytest.raises(UserError, match=r"the image x:0123456789ab-v3 version 3: make image puts"):
        release.of_image(IMAGE, DIGEST)


@pytest.mark.parametrize("variable", ["GITHUB_ACTOR", "GITLAB_USER_LOGIN", "BUILD_USER"])
def test_in_ci_who_started_it_acts(monkeypatch, variable):
    for name in ("GITHUB_ACTOR", "GITLAB_USER_LOGIN", "BUILD_USER", "CIRCLE_USERNAME"):
        monkeypatch.delenv(name, raising=False)
    assert "@" in release.who()
    monkeypatch.setenv(variable, "ann")
    assert release.who() == "ann"


def test_reports_are_not_left_half_written():
    Report("deploy", "x").write()
    assert sorted(path.name for path in Path("reports").iterdir()) == ["deploy.json", "summary.md"]
