"""Every fault of the table against the local ECS, under traffic: the exit code, the cause, and who serves afterwards.

What came of each is written to reports/deploy-faults.md.
"""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
import requests

from ecs_local.testing import wait
from mlops_kit.artifact import folder as model_folder
from mlops_kit.delivery.deploy import local_account

from .site import Outcome

pytestmark = pytest.mark.skipif(sys.version_info < (3, 10), reason="needs boto3 for Python 3.10")

ROOT = Path(__file__).parents[4]
REPORT = ROOT / "reports/deploy-faults.md"
INTRODUCTION = """\
# Faults of a deployment, tried against the local ECS

Users with kept connections asked production all the while; "lost" counts requests without an answer 200.

"""
HEAD = ("fault", "exit code", "serves afterwards", "requests", "lost", "s", "output")


@pytest.fixture(scope="module")
def rows():
    """The rows of the report; it is written when all tests are through."""
    collected: list[tuple[str, ...]] = []
    yield collected
    table = (HEAD, ("---",) * len(HEAD), *collected)
    REPORT.parent.mkdir(exist_ok=True)
    lines = [f"| {' | '.join(cell.replace('|', '/') for cell in row)} |\n" for row in table]
    REPORT.write_text(INTRODUCTION + "".join(lines))


@pytest.fixture
def fault(rows, users, emulator):
    """A context for one fault: users ask; afterwards `serves` has to answer in production, and a row is noted.

    The block puts into the list that it is given how the deployer ended.
    """

    @contextmanager
    def happens(name, serves):
        ended: list = []
        start = time.monotonic()
        with users() as got:
            yield ended
        (done,) = ended
        assert "Traceback" not in done.out, done.out
        assert requests.get(f"{emulator.production}/version", timeout=10).json()["release"] == (
            serves.record["digest"]
        ), done.out
        assert got[0].count > 0
        sentence = done.out.strip().splitlines()[-1].partition("; reports/")[0]
        version = f"version {serves.record['model_version']}"
        seconds = f"{time.monotonic() - start:.0f}"
        rows.append((name, str(done.code), version, str(got[0].count), "0", seconds, sentence))

    return happens


class Fault(NamedTuple):
    """A fault, and the expected result."""

    code: int
    output: str  # a regular expression for the output
    release: str = ""  # a broken one; default: the good one that does not serve yet
    injected: dict | None = None
    settings: str = ""
    variables: dict | None = None


def api(operation: str, error: str, **more: object) -> dict:
    return {"kind": "api", "operation": operation, "error": error, **more}


def task(reason: str) -> dict:
    return {"kind": "task", "reason": reason, "times": None}


SOON = "deadline_minutes=0.1"  # of this machine's clock
THROTTLED = "ThrottlingException"

FAULTS = {
    "nothing": Fault(0, "deployed: .* serves"),
    "nothing, as a canary": Fault(
        0, "deployed: .* serves", settings="strategy=CANARY steps.bake_minutes=1"
    ),
    "nothing, in steps": Fault(
        0, "deployed: .* serves", settings="strategy=LINEAR steps.percent=40 steps.bake_minutes=0"
    ),
    "throttling": Fault(
        0,
        "deployed: .* serves",
        injected=api("DescribeServiceDeployments", THROTTLED, times=4, after=2),
    ),
    "AWS answers 503": Fault(
        0,
        "deployed: .* serves",
        injected=api("DescribeServices", "ServiceUnavailable", times=10, after=3),
    ),
    "nothing, in ten steps that wait": Fault(
        0, "deployed: .* serves", settings="strategy=LINEAR steps.percent=10 steps.bake_minutes=1"
    ),
    "steps that last longer than the deadline": Fault(
        2,
        "deadline_minutes is 0.2, but LINEAR waits 34 minutes",
        settings="strategy=LINEAR steps.percent=3 steps.bake_minutes=1 deadline_minutes=0.2",
    ),
    "the answer to the lock is lost": Fault(
        0,
        "deployed: .* serves",
        injected=api("PutObject", "ServiceUnavailable", times=1, late=True),
    ),
    "an answer to a pause is refused once": Fault(
        0,
        "deployed: .* serves",
        injected=api("ContinueServiceDeployment", "InvalidParameterException", times=1),
    ),
    "no such environment": Fault(
        2, "ENV is 'nowhere'; accepted, .*local", variables={"ENV": "nowhere"}
    ),
    "no such release": Fault(
        2, "IMAGE_TAG is 'v0', which is no tag", variables={"IMAGE_TAG": "v0"}
    ),
    "a right is missing from the start": Fault(
        2,
        "AWS does not allow this: .*RegisterTaskDefinition",
        injected=api("RegisterTaskDefinition", "AccessDeniedException", times=None),
        settings="tasks.memory=1024",
    ),
    "credentials have expired": Fault(
        2,
        "AWS does not take the credentials: .*log in again",
        injected=api("GetParameter", "ExpiredTokenException", times=None),
    ),
    "not passed where it has to": Fault(
        2, "has not passed staging: make deploy ENV=staging first", settings="requires=staging"
    ),
    "not approved where it has to": Fault(
        2, "APPROVE is '': make deploy ENV=local APPROVE=", settings="approval=true"
    ),
    "it ends as soon as it starts": Fault(
        3, r"ended by itself with exit code 1[^$]*no luck today", release="crashes"
    ),
    "it never listens": Fault(
        3, "never became healthy", release="never listens", settings="tasks.grace_seconds=2"
    ),
    "wrong golden predictions": Fault(
        3, r"test did not pass: golden predictions: worst difference", release="answers wrongly"
    ),
    "right, but slow": Fault(
        3, r"limits: 95 % within \d+ ms \(at most 200\)", "is slow", settings="probe.latency_ms=200"
    ),
    "slow only under production's load": Fault(
        3,
        "production did not pass: limits",
        "slows down",
        settings="probe.latency_ms=200 bake_minutes=60",
    ),
    "the image cannot be pulled": Fault(
        3, "the image could not be pulled", injected=task("image-pull")
    ),
    "a secret cannot be read": Fault(3, "a secret could not be read", injected=task("secret")),
    "out of memory": Fault(3, "ran out of memory", injected=task("oom")),
    "no capacity": Fault(
        3, "no capacity: unable to place a task", injected=task("no-capacity"), settings=SOON
    ),
    "stuck past the deadline": Fault(
        3,
        "failed: the deadline was over in POST_SCALE_UP",
        injected={"kind": "hang", "stage": "POST_SCALE_UP"},
        settings=SOON,
    ),
    "networking that ECS refuses": Fault(
        3, "invalid networking configuration", injected={"kind": "invalid-networking"}
    ),
    "a right is taken away midway": Fault(
        6,
        "AWS does not allow this: .*next: make deploy ENV=local RESUME=1",
        injected=api("DescribeServiceDeployments", "AccessDeniedException", times=None, after=5),
    ),
    "credentials expire midway": Fault(
        6,
        "AWS does not take the credentials: .*next: make deploy ENV=local RESUME=1",
        injected=api("DescribeServiceDeployments", "ExpiredTokenException", times=None, after=5),
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault(name, fault, serving, site, emulator):
    """Ends as in the table, and users notice nothing."""
    what = FAULTS[name]
    old, other = serving
    new = site(what.release) if what.release else other
    if what.injected:
        emulator.fault(**what.injected)
    with fault(name, new if what.code in (0, 6) else old) as ended:
        done = new.run("deploy", what.settings, **(what.variables or {}))
        assert (done.code, bool(re.search(what.output, done.out))) == (what.code, True), done.out
        assert new.report["exit_code"] == what.code
        assert (new.folder / "reports/summary.md").read_text().startswith("## deploy to ")
        if what.code == 6:  # ECS goes on; once we may look again, we see it through
            emulator.clear()
            later = new.run("deploy", RESUME="1")
            assert later.code == 0, later.out
        ended.append(done)


def finished(process: subprocess.Popen) -> Outcome:
    out, _ = process.communicate(timeout=120)
    return Outcome(process.returncode, out)


def lines_until(process: subprocess.Popen, pattern: str) -> str:
    """Return what a deployer printed up to a line that has `pattern`."""
    output = ""
    for line in process.stdout:
        output += line
        if re.search(pattern, line):
            return output
    raise AssertionError(f"it ended without {pattern!r}: {output}")


def test_an_alarm_while_it_bakes(fault, serving, emulator):
    old, new = serving
    alarm, cloudwatch = emulator.contract["alarms"][0], emulator.client("cloudwatch")
    with fault("an alarm while it bakes", old) as ended:
        process = new.start("deploy", "bake_minutes=60")
        lines_until(process, "BAKE_TIME")
        cloudwatch.set_alarm_state(AlarmName=alarm, StateValue="ALARM", StateReason="a test")
        done = finished(process)
        cloudwatch.set_alarm_state(AlarmName=alarm, StateValue="OK", StateReason="a test")
        assert done.code == 3, done.out
        assert f"alarms went off: {alarm}" in done.out
        ended.append(done)


def test_an_alarm_that_rings_from_the_start(fault, serving, emulator):
    """AWS leaves open whether it ends a deployment or is ignored: in either world none begins, unless alarms are off."""
    old, new = serving
    alarm, cloudwatch = emulator.contract["alarms"][0], emulator.client("cloudwatch")
    cloudwatch.set_alarm_state(AlarmName=alarm, StateValue="ALARM", StateReason="a test")
    try:
        for world in ("ignored", "watched"):
            emulator.play(alarms_at_start=world)
            with fault(f"an alarm rings from the start ({world})", old) as ended:
                done = new.run("deploy")
                assert done.code == 2, done.out
                assert f"alarms: {alarm} in state ALARM" in done.out
                ended.append(done)
        with fault("the same, with REASON=… (watched)", new) as ended:
            done = new.run("deploy", REASON="the cure")
            assert done.code == 0, done.out
            ended.append(done)
        with fault("make rollback while an alarm rings (watched)", old) as ended:
            done = new.run("rollback")
            assert done.code == 0, done.out
            ended.append(done)
        assert re.search("rolled back .*holds", old.run("verify").out)
    finally:
        cloudwatch.set_alarm_state(AlarmName=alarm, StateValue="OK", StateReason="a test")
        emulator.play(alarms_at_start="watched")


def test_release_is_deployed_again_after_a_late_answer(fault, serving, site):
    old, _ = serving
    slow = site("is slow")
    with fault("the result comes too late", old) as ended:
        done = slow.run("deploy", "pause_minutes=1")
        assert (done.code, "lifecycle hook timed out" in done.out) == (3, True), done.out
        ended.append(done)
    with fault("the same release is deployed again", slow) as ended:
        done = slow.run("deploy")
        assert done.code == 0, done.out
        ended.append(done)


def test_what_ecs_refuses_to_begin_is_recorded_as_refused(fault, serving, emulator):
    old, new = serving
    emulator.fault(**api("UpdateService", "InvalidParameterException", times=1))
    with fault("ECS refuses to begin", old) as ended:
        done = new.run("deploy")
        assert (done.code, "AWS said: " in done.out) == (2, True), done.out
        ended.append(done)
    status = new.run("status")
    assert "deploy: refused" in status.out
    assert "running" not in status.out


def test_the_emulator_of_another_checkout_is_never_asked(rows, emulator, tmp_path):
    other = {"LOCAL_DIR": str(tmp_path), "LOCAL_PORT": str(emulator.port)}
    done = emulator.command("run", sys.executable, "-c", "print('deployed')", **other)
    assert (done.returncode, done.stdout) == (2, "")
    assert "does not run: start it with" in done.stderr
    sentence = done.stderr.strip().replace(str(tmp_path), "FOLDER")
    rows.append(("a second checkout has the port", "2", "as before", *3 * "–", sentence))


def test_the_balancer_may_keep_connections_longer_than_any_pause(rows, serving, emulator):
    """An ALB keeps them for 60 idle seconds: a service that closes them earlier loses what meets the closing."""
    old, _ = serving
    body = (old.folder / model_folder.FOLDER / model_folder.EXAMPLE).read_bytes()

    def ask() -> int:
        headers = {"Content-Type": "application/json"}
        url = f"{emulator.production}/predict"
        return requests.post(url, data=body, headers=headers, timeout=10).status_code

    found = []
    for idle in (5.03, 5.06):  # uvicorn's own limit is 5 s
        ask()
        time.sleep(idle)
        found.append(ask())
    rows.append(("connections that are idle for 5 s", "–", "as before", "4", "0", "10", str(found)))
    assert found == [200, 200]


def test_a_rollback_that_fails_needs_a_person(fault, serving, site, emulator):
    old, _ = serving
    with fault("the rollback fails", old) as ended:
        emulator.fault(kind="rollback-fails")
        done = site("answers wrongly").run("deploy")
        assert done.code == 4, done.out
        assert "the rollback failed" in done.out
        assert "next: make status ENV=local, then make rollback ENV=local" in done.out
        report = site("answers wrongly").report
        assert any("100 % of production" in line for line in report["state"])
        ended.append(done)


def test_a_second_deployer_is_refused_and_the_first_goes_on(fault, serving):
    old, new = serving
    with fault("somebody else deploys at the same time", new) as ended:
        first = new.start("deploy", "bake_minutes=15")
        lines_until(first, "SCALE_UP")
        done = old.run("deploy")
        assert done.code == 5, done.out
        assert "is deploying since" in done.out
        ended.append(done)
        assert finished(first).code == 0


def test_deployment_left_by_a_killed_deployer_is_refused(fault, serving):
    old, new = serving
    with fault("a deployment is in flight that nobody watches", new) as ended:
        first = new.start("deploy", "bake_minutes=20")
        lines_until(first, "BAKE_TIME")
        first.kill()
        finished(first)
        done = old.run("deploy")
        assert done.code == 5, done.out
        assert (
            "RESUME=1 follows it, SUPERSEDE=1 replaces it, make rollback ENV=local ends it"
            in done.out
        )
        ended.append(done)
        assert new.run("deploy", RESUME="1").code == 0


def test_deployer_reports_that_it_was_superseded(fault, serving, emulator):
    old, new = serving
    with fault("another deployment takes the place of this one", old) as ended:
        first = new.start("deploy", "bake_minutes=60")
        lines_until(first, "BAKE_TIME")
        # By hand, past the lock.
        contract, ecs = emulator.contract, emulator.client("ecs")
        family = ecs.list_task_definitions(familyPrefix=contract["service"], sort="DESC")
        definition = task_definition_of(ecs, family["taskDefinitionArns"], old.record["digest"])
        ecs.update_service(
            cluster=contract["cluster"], service=contract["service"], taskDefinition=definition
        )
        done = finished(first)
        assert done.code == 5, done.out
        assert "a later deployment has taken the place of this one" in done.out
        ended.append(done)
        assert old.run("deploy", RESUME="1").code == 0


def task_definition_of(ecs, arns: list[str], digest: str) -> str:
    for arn in arns:
        found = ecs.describe_task_definition(taskDefinition=arn)["taskDefinition"]
        if found["containerDefinitions"][0]["image"].endswith(digest):
            return arn
    raise AssertionError(f"no task definition of {digest}")


def test_supersede_replaces_what_is_in_flight(fault, serving):
    old, new = serving
    with fault("what is in flight is replaced (SUPERSEDE=1)", old) as ended:
        first = new.start("deploy", "bake_minutes=60")
        lines_until(first, "BAKE_TIME")
        first.kill()
        finished(first)
        done = old.run("deploy", SUPERSEDE="1")
        assert done.code == 0, done.out
        ended.append(done)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_watching_can_be_resumed(fault, serving, number):
    _, new = serving
    with fault(f"the deployer gets {number.name}", new) as ended:
        process = new.start("deploy", "bake_minutes=3")
        lines_until(process, "SCALE_UP")
        process.send_signal(number)
        done = finished(process)
        assert done.code == 6, done.out
        assert f"interrupted by {number.name}" in done.out
        assert "next: make deploy ENV=local RESUME=1" in done.out
        ended.append(done)
        later = new.run("deploy", RESUME="1")
        assert later.code == 0, later.out


STAGES = (
    "release",
    "preflight .*targets",
    "SCALE_UP",
    "POST_SCALE_UP|TEST_TRAFFIC_SHIFT",
    "POST_TEST_TRAFFIC_SHIFT",
    "golden predictions",
    "CONTINUE",
    "PRODUCTION_TRAFFIC_SHIFT",
    "BAKE_TIME",
    "CLEAN_UP",
    "SUCCESSFUL",
)


@pytest.mark.parametrize("stage", STAGES)
def test_a_killed_deployer_is_taken_up_again(fault, serving, stage):
    _, new = serving
    with fault(f"kill -9 at: {stage}", new) as ended:
        process = new.start("deploy")
        lines_until(process, stage)
        process.kill()
        finished(process)
        # Before ECS was asked for anything there is nothing in flight: the newest deployment is an earlier one.
        done = new.run("deploy", RESUME="1")
        if done.code == 0 and new.report["digest"] != new.record["digest"]:
            done = new.run("deploy")
        assert done.code == 0, done.out
        ended.append(done)


def test_rollback_brings_the_one_before_back(fault, serving, emulator):
    old, new = serving
    with fault("make rollback", old) as ended:
        assert new.run("deploy").code == 0
        done = new.run("rollback")
        assert done.code == 0, done.out
        assert new.report["kind"] == "rollback"
        ended.append(done)


def test_rollback_works_while_a_deployment_is_stuck(fault, serving, emulator):
    old, new = serving
    with fault("make rollback while a deployment is stuck", old) as ended:
        emulator.fault(kind="hang", stage="POST_SCALE_UP")
        process = new.start("deploy")
        lines_until(process, "POST_SCALE_UP")
        process.kill()
        finished(process)
        status = new.run("status").out
        assert re.search(rf"^release .*\({old.tag}\)$", status, re.M), status
        assert re.search(rf"^in flight .* brings .*\({new.tag}\)$", status, re.M), status
        done = new.run("rollback")
        assert done.code == 0, done.out
        assert "ends the deployment in flight" in done.out
        ended.append(done)


def test_rollback_to_a_tag(fault, serving):
    old, new = serving
    with fault("make rollback TO=tag", new) as ended:
        assert new.run("deploy").code == 0
        assert old.run("deploy").code == 0
        done = old.run("rollback", TO=new.tag)
        assert done.code == 0, done.out
        ended.append(done)


def test_a_service_that_is_scaled_to_nothing_is_refused(rows, serving, emulator):
    _, new = serving
    contract, ecs = emulator.contract, emulator.client("ecs")
    scale = {"cluster": contract["cluster"], "service": contract["service"]}
    ecs.update_service(**scale, desiredCount=0)
    done = new.run("deploy")
    assert done.code == 2, done.out
    assert "scaled to 0 tasks" in done.out
    ecs.update_service(**scale, desiredCount=1)
    wait(lambda: requests.get(f"{emulator.production}/readyz", timeout=5).ok)
    sentence = done.out.strip().splitlines()[-1]
    rows.append(("the service is scaled to 0", "2", "nobody, as before", "–", "–", "–", sentence))


@contextmanager
def changed_contract(emulator, **changes):
    ssm, name = emulator.client("ssm"), local_account.parameter()
    before = ssm.get_parameter(Name=name)["Parameter"]["Value"]
    after = json.dumps({**json.loads(before), **changes})
    ssm.put_parameter(Name=name, Value=after, Type="String", Overwrite=True)
    yield
    ssm.put_parameter(Name=name, Value=before, Type="String", Overwrite=True)


REFUSALS = {
    "a secret is not there": (
        {"secrets": {"KEY": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:none-abc"}},
        "KEY .* is not there",
    ),
    "the test listener is not reached": (
        {"test_url": "http://127.0.0.1:9"},
        r"listeners: http://127.0.0.1:9 \(test\) is not reached from here: .*trusted_cidrs",
    ),
    "a role is not there": (
        {"task_role": "arn:aws:iam::123456789012:role/none"},
        "roles: arn:aws:iam::123456789012:role/none is not there",
    ),
    "the account is another one": ({"account_id": "000000000000"}, "contract is of account 0000"),
    "the contract lacks a key": ({"cluster": None}, "is no contract: cluster"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_the_preflight_refuses(fault, serving, emulator, name):
    old, new = serving
    changes, output = REFUSALS[name]
    with fault(name, old) as ended, changed_contract(emulator, **changes):
        done = new.run("deploy")
        assert (done.code, bool(re.search(output, done.out))) == (2, True), done.out
        assert new.run("verify").code == 2
        ended.append(done)


def test_weights_that_somebody_moved_are_refused(rows, serving, emulator):
    _, new = serving
    contract, elb = emulator.contract, emulator.client("elbv2")
    rule = elb.describe_rules(RuleArns=[contract["production_rule"]])["Rules"][0]
    groups = [contract["blue_target_group"], contract["green_target_group"]]
    divided = {"TargetGroups": [{"TargetGroupArn": arn, "Weight": 50} for arn in groups]}
    elb.modify_rule(
        RuleArn=rule["RuleArn"], Actions=[{"Type": "forward", "ForwardConfig": divided}]
    )
    done = new.run("deploy")
    elb.modify_rule(RuleArn=rule["RuleArn"], Actions=rule["Actions"])
    assert done.code == 2, done.out
    assert "weights: production: blue 50 %, green 50 %" in done.out
    sentence = done.out.strip().splitlines()[-1]
    rows.append(("production's weights are divided", "2", "both, as before", *3 * "–", sentence))


def test_production_skips_staging_with_a_recorded_reason(serving, emulator):
    _, new = serving
    done = new.run(
        "deploy", "requires=staging approval=true", REASON="staging is on fire", APPROVE=new.tag
    )
    assert done.code == 0, done.out
    assert new.report["reason"] == "staging is on fire"
    status = new.run("status")
    assert "staging is on fire" in status.out
