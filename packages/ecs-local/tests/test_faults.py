"""Fault injection: each kind of fault strikes as ordered."""

import boto3
import pytest
import requests
from botocore import xform_name
from botocore.exceptions import ClientError

from .account import NAME
from .emulator import wait


@pytest.mark.parametrize(
    ("reason", "code", "expected", "exit_code"),
    [
        ("image-pull", "TaskFailedToStart", "CannotPullContainerError: ", None),
        (
            "secret",
            "TaskFailedToStart",
            "ResourceInitializationError: unable to pull secrets or registry auth: ",
            None,
        ),
        (
            "oom",
            "EssentialContainerExited",
            "OutOfMemoryError: Container killed due to memory usage",
            137,
        ),
        ("crash", "EssentialContainerExited", "Essential container in task exited", 1),
    ],
)
def test_a_task_fails_as_ordered_and_the_next_one_does_not(
    emulator, service, stub, reason, code, expected, exit_code
):
    emulator.fault("task", reason=reason, times=1)
    known = {task["taskArn"] for task in emulator.tasks(service, "STOPPED")}
    deployment = emulator.update(service, emulator.register(stub, VERSION=reason))
    end = emulator.ended(deployment)
    assert end["status"] == "SUCCESSFUL"
    assert end["deploymentCircuitBreaker"]["failureCount"] == 1
    assert emulator.version(emulator.production) == reason
    stopped = [task for task in emulator.tasks(service, "STOPPED") if task["taskArn"] not in known]
    [failed] = [task for task in stopped if task["stopCode"] == code]
    assert failed["stoppedReason"].startswith(expected)
    assert failed["containers"][0].get("exitCode") == exit_code


def test_without_capacity_no_task_starts_and_an_event_reports_it(emulator, service, stub):
    emulator.fault("task", reason="no-capacity")
    deployment = emulator.update(service, emulator.register(stub, VERSION="small"))
    expected = "was unable to place a task. Reason: Capacity is unavailable at this time."
    wait(lambda: expected in emulator.service(service)["events"][0]["message"])
    assert emulator.deployment(deployment)["deploymentCircuitBreaker"]["failureCount"] == 0
    assert len(emulator.tasks(service)) == 1
    emulator.clear()
    assert emulator.ended(deployment)["status"] == "SUCCESSFUL"


def test_a_task_gets_the_secret_that_it_names_and_does_not_start_without(emulator, service, stub):
    found = emulator.client("secretsmanager").create_secret(Name="known", SecretString="hush")
    secret = {"name": "SECRET", "valueFrom": found["ARN"]}
    good = emulator.update(service, emulator.register(stub, secrets=[secret], VERSION="knows"))
    assert emulator.ended(good)["status"] == "SUCCESSFUL"
    assert requests.get(emulator.production).json()["secret"] == "hush"
    missing = {"name": "SECRET", "valueFrom": found["ARN"].replace("known", "gone")}
    bad = emulator.update(service, emulator.register(stub, secrets=[missing], VERSION="lost"))
    assert emulator.ended(bad)["status"] == "ROLLBACK_SUCCESSFUL"
    reasons = {task["stoppedReason"][:56] for task in emulator.tasks(service, "STOPPED")}
    assert "ResourceInitializationError: unable to pull secrets or r" in reasons


def test_a_digest_that_the_registry_lacks_cannot_be_pulled(emulator, service, stub):
    absent = f"{stub.partition('@')[0]}@sha256:{'0' * 64}"
    deployment = emulator.update(service, emulator.register(absent, VERSION="absent"))
    assert emulator.ended(deployment)["status"] == "ROLLBACK_SUCCESSFUL"
    reasons = [task["stoppedReason"] for task in emulator.tasks(service, "STOPPED")]
    assert any(absent in reason and "CannotPullContainerError" in reason for reason in reasons)


# One call of each protocol that boto3 speaks.
CALLS = {
    "DescribeServices": ("ecs", {"cluster": NAME, "services": ["any"]}),
    "RegisterTaskDefinition": ("ecs", {"family": "f", "containerDefinitions": []}),
    "GetParameter": ("ssm", {"Name": "/any"}),
    "GetCallerIdentity": ("sts", {}),
    "DescribeRules": ("elbv2", {"RuleArns": ["any"]}),
    "DescribeAlarms": ("cloudwatch", {}),
    "PutObject": ("s3", {"Bucket": f"{NAME}-records", "Key": "k", "Body": b"{}"}),
    "ListObjectsV2": ("s3", {"Bucket": f"{NAME}-records"}),
    "GetBucketLocation": ("s3", {"Bucket": f"{NAME}-records"}),
}
ERRORS = {
    "ThrottlingException": {"ThrottlingException", "Throttling", "SlowDown"},
    "AccessDeniedException": {"AccessDeniedException", "AccessDenied"},
    "ExpiredTokenException": {"ExpiredTokenException", "ExpiredToken"},
    "InvalidParameterException": {
        "InvalidParameterException",
        "ValidationError",
        "InvalidArgument",
    },
    "InternalError": {"InternalError"},
    "ServiceUnavailable": {"ServiceUnavailable"},
}


@pytest.mark.parametrize("operation", CALLS)
def test_api_call_fails_with_the_codes_of_its_protocol(emulator, operation):
    service, parameters = CALLS[operation]
    call = getattr(emulator.client(service), xform_name(operation))
    for error, codes in ERRORS.items():
        emulator.fault("api", operation=operation, error=error, times=1)
        with pytest.raises(ClientError) as caught:
            call(**parameters)
        code = caught.value.response["Error"]["Code"]
        assert code in codes
        status = caught.value.response["ResponseMetadata"]["HTTPStatusCode"]
        assert (status >= 500) == (
            error in ("InternalError", "ServiceUnavailable") or code == "SlowDown"
        )
    assert requests.get(f"{emulator.url}/_local/faults").json() == {"faults": []}


def test_boto3_gets_through_throttling_by_itself(emulator):
    emulator.fault("api", operation="DescribeClusters", error="ThrottlingException", times=2)
    patient = boto3.client(
        "ecs",
        region_name=emulator.region,
        endpoint_url=emulator.url,
        aws_access_key_id="local",
        aws_secret_access_key="local",
    )
    answer = patient.describe_clusters(clusters=[NAME])
    assert answer["ResponseMetadata"]["RetryAttempts"] == 2


def test_answer_may_get_lost_after_the_call_was_carried_out(emulator):
    emulator.fault("api", operation="PutObject", error="ServiceUnavailable", times=1, late=True)
    s3, where = emulator.client("s3"), {"Bucket": f"{NAME}-records", "Key": "lost"}
    with pytest.raises(ClientError):
        s3.put_object(**where, Body=b"kept", IfNoneMatch="*")
    assert s3.get_object(**where)["Body"].read() == b"kept"
    with pytest.raises(ClientError, match="PreconditionFailed"):
        s3.put_object(**where, Body=b"again", IfNoneMatch="*")


def test_a_fault_lets_the_first_calls_pass_and_may_last(emulator):
    emulator.fault("api", operation="ListClusters", error="AccessDeniedException", after=2)
    ecs = emulator.ecs
    ecs.list_clusters()
    ecs.list_clusters()
    for _ in range(3):
        with pytest.raises(ecs.exceptions.ClientError):
            ecs.list_clusters()
    emulator.clear()
    assert ecs.list_clusters()["clusterArns"]


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ({"kind": "flood"}, "kind is 'flood'; accepted: api, task, hang"),
        ({"kind": "task", "reason": "bored"}, "reason is 'bored'; accepted: image-pull"),
        ({"kind": "api", "operation": "X", "error": "E"}, "error is 'E'; accepted: Throttling"),
        (
            {"kind": "api", "operation": "X", "error": "InternalError", "late": 1},
            "late is 1; accepted: true or false",
        ),
        ({"kind": "hang"}, "stage is None; accepted: a name"),
        ({"kind": "task", "reason": "oom", "times": -1}, "times is -1; accepted: a whole number"),
        ({"kind": "hang", "stage": "S", "target": 1}, "hang knows no 'target'; accepted: stage"),
        ([], "the body is no JSON object"),
    ],
)
def test_a_fault_that_cannot_strike_is_refused(emulator, order, expected):
    answer = requests.post(f"{emulator.url}/_local/faults", json=order)
    assert answer.status_code == 400
    assert answer.json()["error"].startswith(expected)
