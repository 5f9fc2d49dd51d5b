"""What a deployment keeps and looks at in AWS, against moto's server: releases, the lock, the preflight, the repository."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from datetime import datetime, timedelta, timezone

import boto3
import pytest
import requests
from moto.server import ThreadedMotoServer

from mlops_kit.core.errors import UserError
from mlops_kit.delivery.deploy import (
    autoscaling,
    aws,
    contract,
    environment,
    lock,
    preflight,
    push,
)
from mlops_kit.delivery.deploy.first_deployment import FirstDeployment
from mlops_kit.delivery.deploy.lock import Lock, LockedError
from mlops_kit.delivery.deploy.records import Records
from mlops_kit.delivery.deploy.settings import load_deploy
from mlops_kit.delivery.image import build, docker

from .releases import DIGEST, release

pytestmark = pytest.mark.skipif(sys.version_info < (3, 10), reason="needs boto3 for Python 3.10")

ACCOUNT = "123456789012"
REGION = "eu-central-1"
MEDIA_TYPE = "application/vnd.oci.image.manifest.v1+json"
MANIFEST = {
    "schemaVersion": 2,
    "mediaType": MEDIA_TYPE,
    "config": {"digest": "sha256:c"},
    "layers": [],
}
OTHER = f"sha256:{'cd' * 32}"


@pytest.fixture(scope="module")
def server():
    running = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    yield f"http://{host}:{port}"
    running.stop()


@pytest.fixture
def cloud(server, checkout, monkeypatch):
    """An account with what the infrastructure makes, as far as these tests look at it; its contract's text."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    given = {"ENDPOINT_URL": server, "DEFAULT_REGION": REGION}
    for name, value in {**given, "ACCESS_KEY_ID": "x", "SECRET_ACCESS_KEY": "x"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    boto3.setup_default_session()  # the one of another test knows other variables
    requests.post(f"{server}/moto-api/reset", timeout=10)
    elb, ec2 = boto3.client("elbv2"), boto3.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(
            VpcId=vpc, CidrBlock=f"10.0.{n}.0/24", AvailabilityZone=f"{REGION}{zone}"
        )["Subnet"]["SubnetId"]
        for n, zone in enumerate("ab")
    ]
    balancer = elb.create_load_balancer(Name="x", Subnets=subnets)["LoadBalancers"][0]
    groups = [
        elb.create_target_group(
            Name=colour, Protocol="HTTP", Port=8000, VpcId=vpc, TargetType="ip"
        )["TargetGroups"][0]["TargetGroupArn"]
        for colour in ("blue", "green")
    ]
    forward = {
        "TargetGroups": [
            {"TargetGroupArn": groups[0], "Weight": 100},
            {"TargetGroupArn": groups[1], "Weight": 0},
        ]
    }
    rules = []
    for port in (80, 8080):
        listener = elb.create_listener(
            LoadBalancerArn=balancer["LoadBalancerArn"],
            Protocol="HTTP",
            Port=port,
            DefaultActions=[
                {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}}
            ],
        )["Listeners"][0]["ListenerArn"]
        rule = elb.create_rule(
            ListenerArn=listener,
            Priority=1,
            Conditions=[{"Field": "path-pattern", "Values": ["/*"]}],
            Actions=[{"Type": "forward", "ForwardConfig": forward}],
        )
        rules.append(rule["Rules"][0]["RuleArn"])
    iam = boto3.client("iam")
    roles = [
        iam.create_role(RoleName=name, AssumeRolePolicyDocument="{}")["Role"]["Arn"]
        for name in ("balancer", "execution", "task")
    ]
    boto3.client("s3").create_bucket(
        Bucket="records", CreateBucketConfiguration={"LocationConstraint": REGION}
    )
    boto3.client("ecr").create_repository(repositoryName="app")
    values = {
        "environment": "staging",
        "region": REGION,
        "account_id": ACCOUNT,
        "cluster": "c",
        "service": "s",
        "container_port": 8000,
        "subnets": subnets,
        "security_groups": ["sg-1"],
        "repository": f"{ACCOUNT}.dkr.ecr.{REGION}.example/app",
        "records_bucket": "records",
        "blue_target_group": groups[0],
        "green_target_group": groups[1],
        "production_rule": rules[0],
        "test_rule": rules[1],
        "production_url": server,  # it answers, which is all that these tests look at
        "test_url": server,
        "load_balancer_role": roles[0],
        "execution_role": roles[1],
        "task_role": roles[2],
        "log_group": "/x",
    }
    publish(values)
    return values


def publish(values: dict) -> None:
    name = load_deploy("staging").contract
    boto3.client("ssm").put_parameter(
        Name=name, Value=json.dumps(values), Type="String", Overwrite=True
    )


def in_repository(tag: str = "0123-v3", digest: str = DIGEST, scanned: str = "COMPLETE") -> None:
    """Push an image; ECR's scan of it ends with one finding, HIGH, or in another status, or has not begun."""
    ecr = boto3.client("ecr")
    manifest = json.dumps({**MANIFEST, "for": digest})
    ecr.put_image(repositoryName="app", imageManifest=manifest, imageTag=tag, imageDigest=digest)
    if scanned:
        scan(tag, digest)
    if scanned not in ("", "COMPLETE"):
        found = {
            "repositoryName": "app",
            "imageId": {"imageDigest": digest},
            "imageScanStatus": {"status": scanned},
        }
        url = f"{os.environ['AWS_ENDPOINT_URL']}/moto-api/static/ecr/scan-finding-results"
        assert (
            requests.post(url, json={"region": REGION, "results": [found]}, timeout=10).status_code
            == 201
        )


def scan(tag: str = "0123-v3", digest: str = DIGEST) -> None:
    boto3.client("ecr").start_image_scan(
        repositoryName="app", imageId={"imageDigest": digest, "imageTag": tag}
    )


def check_results(**service: object) -> dict[str, tuple[bool, str]]:
    found = environment.connect("staging").preflight.all(release(), service or None, False)
    return {check.name: (check.passed, check.detail) for check in found}


# --- connect ------------------------------------------------------------------------------------


def test_missing_infrastructure_names_the_command(cloud):
    boto3.client("ssm").delete_parameter(Name=load_deploy("staging").contract)
    with pytest.raises(UserError) as caught:
        environment.connect("staging")
    assert f"/staging/deploy in {REGION} of account {ACCOUNT}: either" in str(caught.value)
    assert "make infra-apply ENV=staging makes it" in str(caught.value)


def test_api_key_is_read_from_the_contracts_secret(cloud):
    assert environment.connect("staging").api_key() == ""
    secret = boto3.client("secretsmanager").create_secret(Name="key", SecretString="s3cret")["ARN"]
    publish({**cloud, "secrets": {"API_KEY": secret}})
    assert environment.connect("staging").api_key() == "s3cret"
    boto3.client("ssm").put_parameter(Name="/x/key", Value="other", Type="SecureString")
    parameter = f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/x/key"
    publish({**cloud, "secrets": {"API_KEY": parameter}})
    assert environment.connect("staging").api_key() == "other"
    both = boto3.client("secretsmanager").create_secret(Name="both", SecretString='{"a": "1"}')
    publish({**cloud, "secrets": {"API_KEY": f"{both['ARN']}:a::"}})
    assert environment.connect("staging").api_key() == "1"
    in_repository()
    assert check_results()["secrets"] == (True, "API_KEY")


def test_a_contract_of_many_secrets_is_published_and_read(cloud):
    arn = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:ml-template/staging/key-AbCdEf"
    text = json.dumps({**cloud, "secrets": {f"SECRET_{n}": f"{arn}:k{n}::" for n in range(40)}})
    assert len(text) > 4096
    boto3.client("ssm").put_parameter(
        Name=load_deploy("staging").contract,
        Value=text,
        Type="String",
        Tier="Intelligent-Tiering",
        Overwrite=True,
    )
    assert len(environment.connect("staging").contract.secrets) == 40


# --- records --------------------------------------------------------------------------------------


def test_a_release_is_written_once(cloud):
    records = environment.connect("staging").records
    assert records.find_release(DIGEST) is None
    with pytest.raises(UserError, match="is no release: make push ENV=staging makes it one"):
        records.release(DIGEST)
    assert records.add_release(release()) is True
    assert records.add_release(release(pushed_by="bob")) is False
    assert records.release(DIGEST) == release()


def test_what_passed_is_known_by_environment(cloud):
    records = environment.connect("staging").records
    assert not records.has_passed(DIGEST, "staging")
    records.add_passed(DIGEST)
    assert records.has_passed(DIGEST, "staging")
    assert not records.has_passed(DIGEST, "production")
    assert not records.has_passed(OTHER, "staging")


def test_whether_anything_passed_is_known_long_after_ecs_forgot_it(cloud):
    records, now = environment.connect("staging").records, datetime.now(timezone.utc)
    assert not records.has_any_passed_since(now - timedelta(days=365))
    records.add_passed(DIGEST)
    assert records.has_any_passed_since(now - timedelta(days=365))
    assert not records.has_any_passed_since(now + timedelta(minutes=1))  # of a service before


def test_the_last_deployments_come_newest_first(cloud):
    records = environment.connect("staging").records
    for second in range(7):
        records.start({"started_at": f"2026-11-24T12:00:0{second}Z", "outcome": "running"})
    found = list(records.last(5))
    assert [record["started_at"][-2] for _, record in found] == list("65432")
    records.update(found[0][0], {"outcome": "deployed"})
    assert list(records.last(1)) == [(found[0][0], {"outcome": "deployed"})]


# --- the lock -------------------------------------------------------------------------------------


def test_lock_keeps_others_out_until_released(cloud):
    there = environment.connect("staging")
    first, second = there.lock(), there.lock()
    first.acquire()
    with pytest.raises(LockedError, match=r"is deploying since .*its lock ends in \d+ s"):
        second.acquire()
    assert LockedError.exit_code == 5
    Lock(there.records, "production").acquire()
    first.release()
    second.acquire()


def test_a_lock_is_waited_for_as_long_as_was_asked(cloud):
    there = environment.connect("staging")
    first, second = there.lock(), there.lock()
    first.acquire()
    given_back = threading.Timer(1.0, first.release)
    given_back.start()
    second.acquire(patience=60)
    given_back.join()
    with pytest.raises(LockedError):
        first.acquire(patience=0.1)


def test_expired_lease_is_taken_over_and_holder_notices(cloud, monkeypatch):
    there = environment.connect("staging")
    first, second = there.lock(), there.lock()
    monkeypatch.setattr(lock, "LEASE_SECONDS", 0.0)
    monkeypatch.setattr(lock, "_RENEW_SECONDS", 0.0)
    first.acquire()
    second.acquire()
    with pytest.raises(LockedError, match="another deployer has taken over"):
        first.renew()
    first.release()  # not its own any more: the other one keeps it
    second.renew()


def test_a_lock_whose_holder_died_on_this_machine_is_free(cloud):
    """The holder is a process of its own, killed while it holds the lock."""
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys, time\n"
            "from mlops_kit.delivery.deploy import environment\n"
            "environment.connect('staging').lock().acquire()\n"
            "print('held', flush=True)\ntime.sleep(600)\n",
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout.readline() == "held\n"
    mine = environment.connect("staging").lock()
    with pytest.raises(LockedError):
        mine.acquire()
    holder.kill()
    holder.wait()
    mine.acquire()


@pytest.fixture
def lost_answers(monkeypatch):
    """A list of ETags: while it is empty, puts are carried out and their answers are lost, so that they are tried again."""
    put, found = Records.put, []

    def twice(self, *arguments, **named):
        etag = put(self, *arguments, **named)
        if not found:
            found.append(etag)
            return put(self, *arguments, **named)
        return etag

    found.append("none is lost yet")
    monkeypatch.setattr(Records, "put", twice)
    return found


def test_a_put_of_the_lock_whose_answer_was_lost_was_our_own(cloud, monkeypatch, lost_answers):
    monkeypatch.setattr(lock, "_RENEW_SECONDS", 0.0)
    there = environment.connect("staging")
    mine = there.lock()
    for step in (mine.acquire, mine.renew):
        lost_answers.clear()
        step()
        assert lost_answers
        with pytest.raises(LockedError, match="is deploying since"):
            there.lock().acquire()
    mine.renew()
    lost_answers.clear()
    mine.release()
    there.lock().acquire()


def test_of_two_that_begin_at_once_one_gets_it(cloud):
    there = environment.connect("staging")
    body = '{"by": "x", "host": "elsewhere", "pid": 1, "since": "now", "until": 0}'
    etag = there.records.put("locks/staging.json", body, only_new=True)
    assert there.records.put("locks/staging.json", body, only_new=True) is None
    assert there.records.put("locks/staging.json", body + " ", only_over=etag)
    assert there.records.put("locks/staging.json", body, only_over=etag) is None


# --- the preflight ----------------------------------------------------------------------------------


def test_all_is_well(cloud):
    in_repository()
    found = check_results()
    assert [name for name, (passed, _) in found.items() if not passed] == []
    assert found["scan"][1] == "no CRITICAL finding"
    preflight.require(environment.connect("staging").preflight.all(release(), None, False))


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({}, "model card: the release has none: make register export, then a new image"),
        (
            {"model_card": "# Model card", "model_card_lacks": ["limits", "owner"]},
            "model card: nothing is written in configs/model-card.yaml under limits, owner: write it",
        ),
    ],
)
def test_empty_model_card_is_refused_where_staging_is_required(
    cloud, monkeypatch, fields, sentence
):
    in_repository()
    asked = (release(**fields), None, False)
    preflight.require(environment.connect("staging").preflight.all(*asked))
    monkeypatch.setenv("DEPLOY_SET", "requires=test")
    strict = environment.connect("staging").preflight
    with pytest.raises(UserError, match=f"^{sentence}"):
        preflight.require(strict.all(*asked))
    preflight.require(strict.all(*asked, is_rollback=True))
    written = release(model_card="# Model card")
    preflight.require(strict.all(written, None, False))


def test_all_missing_parts_are_reported_at_once(cloud):
    for name in ("task", "execution"):
        boto3.client("iam").delete_role(RoleName=name)
    missing = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:none-abcdef"
    parameter = f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/none"
    publish({**cloud, "account_id": "0" * 12, "secrets": {"A": missing, "B": parameter}})
    checks = environment.connect("staging").preflight.all(release(), None, False)
    with pytest.raises(UserError) as caught:
        preflight.require(checks)
    for sentence in (
        "but the contract is of account 000000000000",
        f"{DIGEST} is not in",
        f"A ({missing}) is not there; B ({parameter}) is not there",
        "role/task is not there; ",
        "role/execution is not there",
    ):
        assert sentence in str(caught.value)


def test_weights_have_to_be_on_one_side_while_something_runs(cloud):
    in_repository()
    elb = boto3.client("elbv2")

    def forward(rule: str, *weights: int, groups: tuple = ()) -> None:
        arns = groups or (cloud["blue_target_group"], cloud["green_target_group"])
        targets = [{"TargetGroupArn": arn, "Weight": weight} for arn, weight in zip(arns, weights)]
        action = {"Type": "forward", "ForwardConfig": {"TargetGroups": targets}}
        elb.modify_rule(RuleArn=cloud[rule], Actions=[action])

    forward("production_rule", 30, 70)
    assert check_results(runningCount=1)["weights"] == (False, "production: blue 30 %, green 70 %")
    assert check_results()["weights"][0]
    forward("production_rule", 0, 100)
    assert check_results(runningCount=1)["weights"] == (True, "production: blue 0 %, green 100 %")
    passed, detail = check_results(runningCount=1)["targets"]
    assert not passed
    assert detail.startswith("green: 0 of 0 healthy (make rollback takes that, and make deploy")
    strange = elb.create_target_group(
        Name="z",
        Protocol="HTTP",
        Port=1,
        VpcId=boto3.client("ec2").describe_vpcs()["Vpcs"][0]["VpcId"],
    )
    arn = strange["TargetGroups"][0]["TargetGroupArn"]
    forward("test_rule", 1, groups=(arn,))
    passed, detail = check_results()["weights"]
    assert (passed, arn in detail) == (False, True)
    for rule in ("test_rule", "production_rule"):
        forward(rule, 1, groups=(cloud["blue_target_group"],))
    assert check_results()["weights"] == (False, "one of the target groups is on neither rule")


def test_findings_of_the_scan_refuse_an_image(cloud, monkeypatch):
    in_repository()
    monkeypatch.setenv("DEPLOY_SET", "blocking_findings=none")
    assert "not asked for" in check_results()["scan"][1]
    monkeypatch.setenv("DEPLOY_SET", "blocking_findings=HIGH")
    assert check_results()["scan"] == (False, "1 HIGH")
    monkeypatch.setenv("DEPLOY_SET", "blocking_findings=CRITICAL")
    assert check_results()["scan"] == (True, "no CRITICAL finding")


@pytest.mark.parametrize("status", ["FAILED", "UNSUPPORTED_IMAGE", "SCAN_ELIGIBILITY_EXPIRED"])
def test_an_image_that_cannot_be_scanned_is_refused(cloud, status):
    in_repository(scanned=status)
    passed, detail = check_results()["scan"]
    assert not passed
    assert detail.startswith(f"NOT SCANNED: {status} (DEPLOY_SET=")


def test_a_scan_that_is_not_over_is_waited_for(cloud, monkeypatch):
    in_repository(scanned="")
    monkeypatch.setenv("DEPLOY_SET", "poll_seconds=0.1")
    begun = threading.Timer(1.0, scan)
    begun.start()
    try:
        assert check_results()["scan"] == (True, "no CRITICAL finding")
    finally:
        begun.join()


def test_endless_scan_is_reported(cloud, monkeypatch):
    in_repository(scanned="")
    monkeypatch.setattr(preflight, "_SECONDS_TO_SCAN", 0.0)
    passed, detail = check_results()["scan"]
    assert not passed
    assert detail.startswith("NOT SCANNED: ScanNotFoundException")


def test_a_ringing_alarm_refuses_unless_there_is_a_reason(cloud, monkeypatch):
    in_repository()
    publish({**cloud, "alarms": ["5xx", "latency"]})
    cloudwatch = boto3.client("cloudwatch")
    for name in ("5xx", "latency"):
        cloudwatch.put_metric_alarm(
            AlarmName=name,
            MetricName="m",
            Namespace="n",
            Statistic="Sum",
            Period=60,
            EvaluationPeriods=1,
            Threshold=1,
            ComparisonOperator="GreaterThanThreshold",
        )
    assert check_results()["alarms"] == (True, "none rings")
    cloudwatch.set_alarm_state(AlarmName="latency", StateValue="ALARM", StateReason="a test")
    there = environment.connect("staging").preflight
    assert there.active_alarms() == ["latency"]
    passed, detail = check_results()["alarms"]
    assert (passed, detail.partition(": wait")[0]) == (False, "latency in state ALARM")
    for how, message in (
        ({"reason": "the cure"}, "alarms are off"),
        ({"is_rollback": True}, "off"),
    ):
        (found,) = [c for c in there.all(release(), None, False, **how) if c.name == "alarms"]
        assert (found.passed, message in found.detail) == (True, True)
    monkeypatch.setenv("DEPLOY_SET", "alarms=false")
    assert check_results()["alarms"] == (True, "none rings")


def test_unreachable_listener_is_refused_before_any_change(cloud):
    in_repository()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    publish({**cloud, "test_url": f"http://127.0.0.1:{port}"})
    passed, detail = check_results()["listeners"]
    assert not passed
    assert detail.startswith(f"http://127.0.0.1:{port} (test) is not reached from here: Connection")
    assert "trusted_cidrs in configs/infra/staging.yaml, then make infra-apply" in detail


def test_of_an_index_the_image_in_it_is_scanned(cloud):
    ecr, inner = boto3.client("ecr"), f"sha256:{'1' * 64}"
    attested = {"os": "unknown", "architecture": "unknown"}
    index = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [
            {"digest": OTHER, "platform": attested},
            {"digest": inner, "platform": {"os": "linux", "architecture": "amd64"}},
        ],
    }
    put = {"repositoryName": "app", "imageDigest": DIGEST, "imageTag": "0123-v3"}
    ecr.put_image(**put, imageManifest=json.dumps(index), imageManifestMediaType=index["mediaType"])
    in_repository("inner", inner)
    assert environment.connect("staging").ecr.image_of(DIGEST) == (inner, "")
    assert check_results()["scan"] == (True, "no CRITICAL finding")
    publish({**cloud, "architecture": "ARM64"})
    assert check_results()["image"] == (False, f"{DIGEST} has nothing for linux/arm64")


def test_an_image_for_other_machines_is_not_pushed(cloud, monkeypatch):
    built()
    monkeypatch.setattr(docker, "require_engine", lambda: None)
    monkeypatch.setattr(docker, "inspect", lambda _: {"Os": "linux", "Architecture": "arm64"})
    message = (
        "the image is made for linux/arm64, and the tasks of staging run on linux/amd64:"
        " DOCKER_DEFAULT_PLATFORM=linux/amd64 make image"
    )
    with pytest.raises(UserError, match=message):
        push.push(environment.connect("staging"))


def test_a_rollback_is_not_refused_for_what_it_is_to_mend(cloud, monkeypatch):
    in_repository()
    monkeypatch.setenv("DEPLOY_SET", "blocking_findings=HIGH")
    there, ill = environment.connect("staging"), {"runningCount": 2}
    for rule in ("production_rule", "test_rule"):
        weights = [
            {"TargetGroupArn": cloud["blue_target_group"], "Weight": 30},
            {"TargetGroupArn": cloud["green_target_group"], "Weight": 70},
        ]
        action = {"Type": "forward", "ForwardConfig": {"TargetGroups": weights}}
        boto3.client("elbv2").modify_rule(RuleArn=cloud[rule], Actions=[action])

    def refused(**how: object) -> list[str]:
        checks = there.preflight.all(release(), ill, False, **how)
        return [check.name for check in checks if not check.passed]

    assert refused() == ["scan", "weights", "targets"]
    assert refused(reason="the database's password changed") == ["scan", "weights"]
    assert refused(is_rollback=True) == []


# --- the repository -----------------------------------------------------------------------------------


def built(**changes: object) -> None:
    record = {
        "tag": "x:0123-v3",
        "id": "sha256:1",
        "digest": None,
        "reference": None,
        "commit": "0123",
        "dirty": False,
        "registered_model": "churn",
        "model_version": "3",
        "model_commit": "c0",
        "data_digest": "d0",
        **changes,
    }
    (build.RECORD.parent).mkdir(exist_ok=True)
    build.RECORD.write_text(json.dumps(record))


def test_release_is_found_by_tag_or_last_push(cloud):
    there = environment.connect("staging")
    with pytest.raises(UserError, match=r"image\.json not found: make image writes it"):
        push.find(there, "")
    built()
    with pytest.raises(UserError, match=r"has no digest: make push ENV=staging first"):
        push.find(there, "")
    with pytest.raises(UserError, match=r"IMAGE_TAG is '0123-v3', which is no tag in"):
        push.find(there, "0123-v3")
    in_repository()
    there.records.add_release(release())
    assert push.find(there, "0123-v3") == release()
    built(digest=DIGEST)
    assert push.find(there, "") == release()


# --- the first deployment ---------------------------------------------------------------------------------


def steps(tag: str = "0123-v3") -> tuple[set[str], str]:
    """Which steps hold, and what stood in the way."""
    first, problem = FirstDeployment("staging"), ""
    try:
        first.look(tag)
    except UserError as error:
        problem = str(error)
    return {step for step, holds, _ in first.rows() if holds == "holds"}, problem


def test_verify_lists_steps_of_the_first_deployment(cloud):
    boto3.client("ecs").create_cluster(clusterName="c")
    boto3.client("ssm").delete_parameter(Name=load_deploy("staging").contract)
    held, problem = steps()
    assert (held, "make infra-apply ENV=staging" in problem) == ({"credentials"}, True)
    publish(cloud)
    assert steps()[0] == {"credentials", "infrastructure"}
    in_repository()
    there = environment.connect("staging")
    there.records.add_release(release())
    held, problem = steps()
    assert (held, problem) == ({"credentials", "infrastructure", "image", "preflight"}, "")
    boto3.client("iam").delete_role(RoleName="task")
    assert steps()[0] == {"credentials", "infrastructure", "image"}


# --- autoscaling ----------------------------------------------------------------------------------------


def test_what_served_is_tagged_once_and_keeps_its_release_tag(cloud):
    in_repository()
    in_repository(tag="4567-v4", digest=OTHER)
    there = environment.connect("staging")
    tag = f"served-staging-{'ab' * 6}"
    for _ in range(2):  # a release that is deployed again
        assert there.ecr.tag_as_served(DIGEST) == tag
    images = boto3.client("ecr").describe_images(repositoryName="app")["imageDetails"]
    assert {one["imageDigest"]: sorted(one["imageTags"]) for one in images} == {
        DIGEST: ["0123-v3", tag],
        OTHER: ["4567-v4"],
    }


def test_failed_tag_is_reported_and_fails_nothing(cloud):
    there = environment.connect("staging")
    assert there.ecr.tag_as_served(DIGEST).startswith("NOT TAGGED: sha256:abab")
    boto3.client("ecr").delete_repository(repositoryName="app")
    result = there.ecr.tag_as_served(DIGEST)
    assert result.startswith("NOT TAGGED, so it may expire: AWS said: ")


def test_autoscaling_follows_the_config(cloud, monkeypatch):
    boto3.client("ecs").create_cluster(clusterName="c")
    boto3.client("ecs").register_task_definition(
        family="s", containerDefinitions=[{"name": "app", "image": "x", "memory": 128}]
    )
    boto3.client("ecs").create_service(cluster="c", serviceName="s", taskDefinition="s")
    scaling = boto3.client("application-autoscaling")
    parsed = contract.parse(json.dumps(cloud), "x")

    def applied(overrides: str) -> str:
        monkeypatch.setenv("DEPLOY_SET", overrides)
        return autoscaling.apply(scaling, load_deploy("staging"), parsed)

    def targets() -> list:
        found = scaling.describe_scalable_targets(ServiceNamespace="ecs")["ScalableTargets"]
        return [(one["ResourceId"], one["MinCapacity"], one["MaxCapacity"]) for one in found]

    assert applied("tasks.count=2") == "always 2"
    assert applied("'autoscaling={min: 1, max: 4}'") == "1 to 4, CPU near 60 %"
    assert targets() == [("service/c/s", 1, 4)]
    (policy,) = scaling.describe_scaling_policies(ServiceNamespace="ecs")["ScalingPolicies"]
    assert policy["TargetTrackingScalingPolicyConfiguration"]["TargetValue"] == 60
    assert applied("") == "always 1"
    assert targets() == []


# --- errors of AWS ----------------------------------------------------------------------------------------


def test_credentials_that_were_renewed_are_read_again(cloud, monkeypatch):
    clients = aws.Aws()
    before = clients.client("s3")
    assert clients.client("s3") is before
    clients.renew()
    assert clients.client("s3") is not before


def test_a_lock_is_renewed_only_now_and_then(cloud, monkeypatch):
    there = environment.connect("staging")
    held = there.lock()
    held.acquire()
    first = there.records.get("locks/staging.json")
    held.renew()
    assert there.records.get("locks/staging.json") == first
    monkeypatch.setattr(lock, "_RENEW_SECONDS", 0.0)
    time.sleep(0.01)
    held.renew()
    later = there.records.get("locks/staging.json")
    assert json.loads(later[0])["until"] > json.loads(first[0])["until"]
    assert json.loads(later[0])["since"] == json.loads(first[0])["since"]
