"""Persistence: a kill at any time loses nothing, and no other process is harmed after it."""

import subprocess
import sys

import pytest
import requests

from ecs_local import processes
from ecs_local.errors import UserError
from ecs_local.journal import Journal

from .account import NAME
from .emulator import Emulator, pause, wait


@pytest.fixture
def own(tmp_path):
    """An emulator of the test's own, to be killed."""
    running = Emulator(tmp_path / "local", minute=1).start()
    yield running
    assert running.stop() == 0


def everything(emulator):
    """Return moto's state, as its clients see it."""
    contract = emulator.contract
    elbv2, s3 = emulator.client("elbv2"), emulator.client("s3")
    listed = s3.list_objects_v2(Bucket=contract["records_bucket"]).get("Contents", [])
    rules = [contract["production_rule"], contract["test_rule"]]
    return {
        "contract": contract,
        "rules": elbv2.describe_rules(RuleArns=rules)["Rules"],
        "groups": elbv2.describe_target_groups()["TargetGroups"],
        "definitions": emulator.ecs.list_task_definitions()["taskDefinitionArns"],
        "objects": [(found["Key"], found["ETag"], found["Size"]) for found in listed],
        "images": emulator.client("ecr").list_images(repositoryName=NAME)["imageIds"],
        "alarms": emulator.client("cloudwatch").describe_alarms()["MetricAlarms"][0]["AlarmArn"],
        "vpcs": emulator.client("ec2").describe_subnets()["Subnets"],
    }


def test_a_deployment_goes_on_after_a_kill_in_the_middle_of_its_bake(own):
    stub = own.push_stub()
    created = own.create("s", own.register(stub, VERSION="1"))
    assert own.ended(created["currentServiceDeployment"])["status"] == "SUCCESSFUL"
    own.client("s3").put_object(
        Bucket=own.contract["records_bucket"], Key="locks/x.json", Body=b"{}", IfNoneMatch="*"
    )
    hooks = {"lifecycleHooks": [pause("POST_PRODUCTION_TRAFFIC_SHIFT")], "bakeTimeInMinutes": 4}
    deployment = own.update("s", own.register(stub, VERSION="2"), hooks)
    hook = own.waiting_hook(deployment)
    own.kill()
    own.start()
    # A hook that waited before waits still, under the same name.
    assert own.waiting_hook(deployment) == hook
    own.ecs.continue_service_deployment(serviceDeploymentArn=deployment, hookId=hook)
    own.reaches(deployment, "BAKE_TIME")
    before, shares = everything(own), own.weights("production")
    [task] = [one for one in own.tasks("s") if one["taskDefinitionArn"].endswith(":2")]
    wait(lambda: own.version(own.production) == "2")
    left_over = requests.get(own.production).json()["pid"]

    own.kill()
    with (own.folder / "journal.jsonl").open("ab") as journal:
        journal.write(b'{"environ": {"REQUEST_METHOD": "PO')
    own.start()

    assert everything(own) == before
    assert own.weights("production") == shares
    assert not processes.identity(left_over)["started"]
    end = own.ended(deployment)
    assert end["status"] == "SUCCESSFUL"
    assert own.version(own.production) == "2"
    [old] = own.ecs.describe_tasks(cluster=NAME, tasks=[task["taskArn"]])["tasks"]
    assert (old["lastStatus"], old["stoppedReason"]) == ("STOPPED", "The emulator was restarted.")
    assert end["deploymentCircuitBreaker"]["failureCount"] == 0
    # The logs have the lines of a task from before the kill and from after it.
    events = own.client("logs").filter_log_events(logGroupName=own.contract["log_group"])["events"]
    assert sum('"serving"' in event["message"] for event in events) >= 3
    own.client("s3").put_object(Bucket=own.contract["records_bucket"], Key="after", Body=b"")


def test_a_line_that_a_kill_cut_off_is_dropped_and_the_next_one_is_whole(tmp_path):
    journal = Journal(tmp_path / "journal.jsonl")
    assert journal.add({"REQUEST_METHOD": "POST", "PATH_INFO": "/a"}, b"one") == 1
    with (tmp_path / "journal.jsonl").open("ab") as file:
        file.write(b'{"environ"')
    again = Journal(tmp_path / "journal.jsonl")
    [(number, environ)] = list(again.replay())
    assert (number, environ["PATH_INFO"], environ["wsgi.input"].read()) == (1, "/a", b"one")
    assert again.add({"REQUEST_METHOD": "POST", "PATH_INFO": "/b"}, b"") == 2
    assert [number for number, _ in Journal(tmp_path / "journal.jsonl").replay()] == [1, 2]


def test_a_journal_that_is_damaged_elsewhere_is_named(tmp_path):
    path = tmp_path / "journal.jsonl"
    path.write_text('{"environ": {}, "body": ""}\nnonsense\n{"environ": {}, "body": ""}\n')
    with pytest.raises(UserError, match=r"journal\.jsonl:2 is damaged"):
        list(Journal(path).replay())


def test_a_process_with_the_number_of_a_task_but_another_start_is_left_alone():
    stranger = subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, start_new_session=True
    )
    known = processes.identity(stranger.pid)
    processes.kill({"pid": stranger.pid, "started": "long ago"})
    assert processes.is_running(known)
    assert stranger.poll() is None
    processes.kill(known)
    assert stranger.wait(10) == -9
    assert not processes.is_running(known)
    stranger.stdin.close()
