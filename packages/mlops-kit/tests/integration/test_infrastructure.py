"""The infra-… subcommands against moto's server, with a stand-in for Terraform that writes down what it is asked; and train-remote."""

import http.server
import json
import os
import shutil
import sys
import threading
from pathlib import Path

import boto3
import pytest
import requests
import yaml
from moto.server import ThreadedMotoServer

from mlops_kit.core.project import current
from mlops_kit.delivery.terraform import roots

ROOT = Path(__file__).parents[4]
NAME = current().name
REGION = "eu-central-1"
BUCKET = f"{roots.short(NAME)}-terraform-123456789012"
CHANGE = {
    "address": "aws_x.y",
    "type": "aws_x",
    "change": {
        "actions": ["update"],
        "before": {"a": 1, "b": 2},
        "after": {"a": 1, "b": 3},
        "after_unknown": {"c": True},
    },
}

# `show` prints the plan that lies beside it; everything is written down, with whether the first state is here.
TERRAFORM = """#!{python}
import pathlib, sys
here = pathlib.Path({folder!r})
override = pathlib.Path("backend_override.tf")
line = " ".join(sys.argv[1:]) + (" LOCAL" if override.exists() else "")
with (here / "log").open("a") as log:
    log.write(line + "\\n")
if sys.argv[1] == "apply" and override.exists():
    pathlib.Path(override.read_text().split('"')[3]).write_text("{{}}")
if sys.argv[1] == "show":
    print((here / "plan.json").read_text())
sys.exit((here / "fails").exists() and sys.argv[1] in (here / "fails").read_text())
"""


@pytest.fixture(scope="module")
def server():
    running = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    yield f"http://{host}:{port}"
    running.stop()


def connect(monkeypatch, url: str) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    given = {"ENDPOINT_URL": url, "DEFAULT_REGION": REGION}
    for name, value in {**given, "ACCESS_KEY_ID": "x", "SECRET_ACCESS_KEY": "x"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    boto3.setup_default_session()  # the one of another test knows other variables


@pytest.fixture
def account(server, fresh_project, monkeypatch):
    """An empty account, and a checkout with infra/ and the stand-in for Terraform."""
    connect(monkeypatch, server)
    requests.post(f"{server}/moto-api/reset", timeout=10)
    left = shutil.ignore_patterns("local", ".terraform")
    shutil.copytree(ROOT / "infra", fresh_project / "infra", ignore=left)
    tools = fresh_project / "tools"
    tools.mkdir()
    program = tools / "terraform"
    program.write_text(TERRAFORM.format(python=sys.executable, folder=str(tools)))
    program.chmod(0o755)
    monkeypatch.setenv("TERRAFORM", str(program))
    for name in ("staging", "production"):
        settings(name, alert_emails=["team@example.com"])
    plan(CHANGE)
    return tools


def settings(name: str, **changes: object) -> None:
    path = Path(f"configs/infra/{name}.yaml")
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), **changes}))


def plan(*changes: dict) -> None:
    still = {**CHANGE, "change": {"actions": ["no-op"]}}
    Path("tools/plan.json").write_text(json.dumps({"resource_changes": [still, *changes]}))


def make_bucket(name: str = BUCKET) -> None:
    where = {"LocationConstraint": REGION}
    boto3.client("s3").create_bucket(Bucket=name, CreateBucketConfiguration=where)


def asked(tools: Path) -> list[str]:
    """Return the commands that the stand-in got, without their options but -migrate-state, -destroy and LOCAL."""
    kept = ("-migrate-state", "-destroy", "LOCAL")
    lines = [line.split() for line in (tools / "log").read_text().splitlines()]
    return [" ".join([line[0], *(word for word in line[1:] if word in kept)]) for line in lines]


def test_bootstrap_state_moves_into_its_bucket(account, command):
    done = command("infra-apply", ENV="bootstrap", AUTO_APPROVE="1")
    assert done.code == 0, done.err
    assert asked(account) == [
        "init LOCAL",
        "plan LOCAL",
        "show LOCAL",
        "apply LOCAL",
        "init LOCAL",
        "init -migrate-state",
    ]
    assert "applied: 1 changes in bootstrap" in done.out
    assert [*Path("infra").rglob("*override*"), *Path("artifacts").rglob("first*")] == []
    given = json.loads(Path("artifacts/terraform/bootstrap/variables.tfvars.json").read_text())
    assert (given["name"], given["region"]) == (NAME, REGION)


def test_a_move_that_was_cut_off_is_made_up_for(account, command):
    make_bucket()
    first = Path("artifacts/terraform/bootstrap/first.tfstate")
    first.parent.mkdir(parents=True)
    first.write_text("{}")
    assert command("infra-plan", ENV="bootstrap").code == 0
    assert asked(account) == ["init LOCAL", "init -migrate-state", "plan", "show"]
    assert not first.exists()


def test_others_need_the_bucket(account, command):
    done = command("infra-plan", ENV="shared")
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert f"there is no bucket {BUCKET}" in done.err
    assert not (account / "log").exists()


def test_a_plan_is_reported_without_values(account, command):
    make_bucket()
    done = command("infra-plan", ENV="staging")
    assert "plan: 1 changes; next: make infra-apply ENV=staging" in done.out
    report = json.loads(Path("reports/infra-plan.json").read_text())
    change = {"address": "aws_x.y", "type": "aws_x", "actions": ["update"], "differs": ["b", "c"]}
    assert report == {"environment": "staging", "changes": [change]}
    plan()
    assert "plan: no changes" in command("infra-plan", ENV="staging").out


def test_nothing_is_done_without_agreement(account, command, monkeypatch):
    make_bucket()
    done = command("infra-apply", ENV="staging")
    assert (done.code, "give AUTO_APPROVE=1" in done.err) == (2, True), done.err
    monkeypatch.setattr("sys.stdin", Terminal("no\n"))
    done = command("infra-apply", ENV="staging")
    assert (done.code, "not confirmed" in done.err) == (2, True), done.err
    assert "apply" not in asked(account)
    monkeypatch.setattr("sys.stdin", Terminal("yes\n"))
    assert command("infra-apply", ENV="staging").code == 0
    assert asked(account)[-1] == "apply"


class Terminal:
    """Somebody who types one line."""

    def __init__(self, line: str) -> None:
        self._line = line

    def isatty(self) -> bool:
        return True

    def readline(self, *_: int) -> str:
        return self._line

    def fileno(self) -> int:
        raise OSError


@pytest.mark.parametrize("nobody", [[], None, ["authors@ml-template.example"]])
def test_nothing_is_applied_where_nobody_hears_of_alarms(account, command, nobody):
    settings("staging", alert_emails=nobody)
    for subcommand in ("infra-plan", "infra-apply"):
        done = command(subcommand, ENV="staging", AUTO_APPROVE="1")
        assert (done.code, done.err.count("\n")) == (2, 1)
        assert "configs/infra/staging.yaml: alert_emails is" in done.err
        assert "alert_emails: [team@example.com]" in done.err
    assert not (account / "log").exists()


def test_a_failed_terraform_is_exit_2_and_leaves_no_override(account, command):
    (account / "fails").write_text("plan")
    done = command("infra-apply", ENV="bootstrap", AUTO_APPROVE="1")
    assert done.code == 2
    assert "error: terraform plan in infra/bootstrap ended with 1" in done.err
    assert list(Path("infra").rglob("*override*")) == []


def test_production_is_destroyed_by_its_name_only(account, command):
    make_bucket()
    done = command("infra-destroy", ENV="production", CONFIRM="production")
    assert "configs/infra/production.yaml has protected: true" in done.err
    settings("production", protected=False)
    done = command("infra-destroy", ENV="production", AUTO_APPROVE="1")
    assert (done.code, "give CONFIRM=production" in done.err) == (2, True), done.err
    assert "apply" not in asked(account)
    assert command("infra-destroy", ENV="production", CONFIRM="production").code == 0
    assert asked(account)[-3:] == ["plan -destroy", "show", "apply"]
    assert "all others" in command("infra-destroy", ENV="bootstrap", CONFIRM="bootstrap").err


def test_the_deployers_service_goes_first(account, command):
    make_bucket()
    ecs = boto3.client("ecs")
    name = f"{NAME}-staging"
    ecs.create_cluster(clusterName=name)
    container = {"name": "app", "image": "x", "memory": 128}
    ecs.register_task_definition(family="s", containerDefinitions=[container])
    ecs.create_service(cluster=name, serviceName=name, taskDefinition="s", desiredCount=0)
    done = command("infra-destroy", ENV="staging", AUTO_APPROVE="1")
    assert (done.code, f"the service {name} has ended" in done.out) == (0, True), done.err
    assert "destroyed: 1 resources of staging" in done.out
    again = command("infra-destroy", ENV="staging", AUTO_APPROVE="1")
    assert again.code == 0, again.err


def test_check_runs_each_root_without_an_account(account, command, monkeypatch):
    checkov = account / "checkov"
    checkov.write_text("#!/bin/sh\necho looked at $2\n")
    checkov.chmod(0o755)
    monkeypatch.setattr(sys, "argv", [])
    with monkeypatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        from mlops_kit.delivery.terraform import check

        check.check(checkov)
    each = ["init", "validate", "test"]
    assert asked(account) == ["fmt", *each, *each, *each]


def test_cost_of_each_environment(account, command):
    done = command("infra-cost")
    assert done.code == 0
    assert "production: a month" in done.out
    assert "prices of Ireland" in done.out
    assert "staging: a month" not in command("infra-cost", ENV="production").out


CONTRACT = {
    "cluster": "c",
    "task_definition": "t",
    "container": "training",
    "capacity_provider": "FARGATE",
    "subnets": ["subnet-1"],
    "security_groups": ["sg-1"],
    "assign_public_ip": True,
    "log_group": "/g",
}


@pytest.fixture
def cloud(fresh_project, monkeypatch):
    """An AWS that answers what it is given, by operation, each answer once and the last for ever; with what it was asked."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            operation = self.headers["X-Amz-Target"].rpartition(".")[2]
            body = self.rfile.read(int(self.headers["Content-Length"]))
            requests_.append((operation, json.loads(body)))
            left = answers[operation]
            answer = left.pop(0) if len(left) > 1 else left[0]
            self.send_response(400 if "__type" in answer else 200)
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        def log_message(self, *_: object) -> None:
            pass

    answers: dict[str, list[dict]] = {}
    requests_: list[tuple[str, dict]] = []
    listening = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=listening.serve_forever, daemon=True).start()
    connect(monkeypatch, f"http://127.0.0.1:{listening.server_port}")
    shutil.copytree(ROOT / "infra", fresh_project / "infra", ignore=shutil.ignore_patterns("local"))
    task = {"taskArn": "arn:aws:ecs:r:1:task/c/7", "lastStatus": "PENDING", "containers": [{}]}
    answers["GetParameter"] = [{"Parameter": {"Value": json.dumps(CONTRACT)}}]
    answers["RunTask"] = [{"tasks": [task], "failures": []}]
    answers["GetLogEvents"] = [{"__type": "ResourceNotFoundException"}]
    monkeypatch.setattr("mlops_kit.delivery.terraform.train_remote.time.sleep", lambda _: None)
    yield answers, requests_, task
    listening.shutdown()


def ended(task: dict, **container) -> dict:
    return {"tasks": [{**task, "lastStatus": "STOPPED", "containers": [container]}]}


def test_training_is_followed_to_its_exit_code(cloud, command):
    answers, made, task = cloud
    answers["DescribeTasks"] = [ended(task, exitCode=1)]
    event = {"timestamp": 1, "ingestionTime": 1, "message": "fitting\n"}
    answers["GetLogEvents"] = [{"events": [event], "nextForwardToken": "f/1"}]
    done = command("train-remote", ENV="staging", SET="model.params.max_iter=300")
    assert done.code == 1
    assert "fitting" in done.out
    assert "training ended with 1" in done.out
    (run,) = [body for operation, body in made if operation == "RunTask"]
    (override,) = run["overrides"]["containerOverrides"]
    wanted = {"name": "SET", "value": "model.params.max_iter=300"}
    assert wanted in override["environment"]
    assert run["networkConfiguration"]["awsvpcConfiguration"]["assignPublicIp"] == "ENABLED"


def test_task_that_never_runs_prints_the_reason(cloud, command):
    answers, _, task = cloud
    answers["DescribeTasks"] = [ended(task, reason="CannotPullContainerError: no such image")]
    done = command("train-remote", ENV="staging")
    assert done.code == 2
    assert "the training task never ran: CannotPullContainerError" in done.err
    answers["RunTask"] = [{"tasks": [], "failures": [{"reason": "RESOURCE:GPU"}]}]
    assert "ECS started no task: RESOURCE:GPU" in command("train-remote", ENV="staging").err


def test_no_training_is_one_sentence(cloud, command):
    answers, _, _ = cloud
    answers["GetParameter"] = [{"__type": "ParameterNotFound"}]
    done = command("train-remote", ENV="production")
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert "give `training` in configs/infra/production.yaml" in done.err
    assert "where nothing trains" in command("train-remote", ENV="shared").err
