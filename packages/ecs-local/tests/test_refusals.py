"""The emulator refuses requests with the exceptions of ECS."""

import copy
import json
import uuid
from functools import partial

import pytest
import requests

from ecs_local import validation

from .account import NAME
from .emulator import configured, pause


@pytest.fixture(scope="module")
def definition(emulator, stub):
    return emulator.register(stub, family="refusals", VERSION="1")


def refused(emulator, name, call):
    """Return the message of an exception of ECS."""
    with pytest.raises(getattr(emulator.ecs.exceptions, name)) as caught:
        call()
    return caught.value.response["Error"]["Message"]


def test_a_cluster_or_service_that_is_not_there(emulator, service):
    ecs = emulator.ecs
    for call in (
        lambda: ecs.describe_services(cluster="none", services=["s"]),
        lambda: ecs.list_tasks(cluster="none"),
        lambda: ecs.list_services(),
    ):
        assert refused(emulator, "ClusterNotFoundException", call) == "Cluster not found."
    for call in (
        lambda: ecs.update_service(cluster=NAME, service="none"),
        lambda: ecs.delete_service(cluster=NAME, service="none"),
        lambda: ecs.list_service_deployments(cluster=NAME, service="none"),
        lambda: ecs.list_tasks(cluster=NAME, serviceName="none"),
    ):
        assert refused(emulator, "ServiceNotFoundException", call) == "Service not found."
    answer = ecs.describe_services(cluster=NAME, services=["none", service])
    assert [found["serviceName"] for found in answer["services"]] == [service]
    assert answer["failures"][0]["reason"] == "MISSING"
    answer = ecs.describe_tasks(cluster=NAME, tasks=["none"])
    assert (answer["tasks"], answer["failures"][0]["reason"]) == ([], "MISSING")


def test_a_deployment_that_is_not_there(emulator):
    ecs = emulator.ecs
    arn = "arn:aws:ecs:eu-central-1:123456789012:service-deployment/c/none/0"
    for call in (
        lambda: ecs.stop_service_deployment(serviceDeploymentArn=arn),
        lambda: ecs.continue_service_deployment(serviceDeploymentArn=arn, hookId="h"),
    ):
        refused(emulator, "ServiceDeploymentNotFoundException", call)
    answer = ecs.describe_service_deployments(serviceDeploymentArns=[arn])
    assert answer["failures"] == [{"arn": arn, "reason": "MISSING"}]
    answer = ecs.describe_service_revisions(serviceRevisionArns=[arn])
    assert answer["failures"] == [{"arn": arn, "reason": "MISSING"}]
    many = lambda: ecs.describe_service_deployments(serviceDeploymentArns=[arn] * 21)  # noqa: E731
    assert "At most 20" in refused(emulator, "InvalidParameterException", many)


def test_a_finished_deployment_is_neither_stopped_nor_continued(emulator, service):
    arn = emulator.service(service)["currentServiceDeployment"]
    ecs = emulator.ecs
    refused(
        emulator,
        "ConflictException",
        lambda: ecs.stop_service_deployment(serviceDeploymentArn=arn),
    )
    refused(
        emulator,
        "InvalidParameterException",
        lambda: ecs.continue_service_deployment(serviceDeploymentArn=arn, hookId="h"),
    )


def test_a_task_definition_that_is_missing_or_inactive(emulator, service, stub):
    ecs = emulator.ecs
    gone = emulator.register(stub, family="gone")
    ecs.deregister_task_definition(taskDefinition=gone)
    for definition, expected in ((gone, "inactive"), ("nowhere:1", "not found")):
        create = lambda: emulator.create("new", definition)  # noqa: B023, E731
        update = lambda: emulator.update(service, definition)  # noqa: B023, E731
        assert expected in refused(emulator, "ClientException", create)
        assert expected in refused(emulator, "ClientException", update)


def test_a_service_is_created_once_and_again_only_with_the_same_token(
    emulator, no_service, definition
):
    token = uuid.uuid4().hex
    first = emulator.create("once", definition, clientToken=token)
    again = emulator.create("once", definition, clientToken=token)
    assert again["serviceArn"] == first["serviceArn"]
    assert again["currentServiceDeployment"] == first["currentServiceDeployment"]
    for other in ({}, {"clientToken": "another"}):
        create = lambda: emulator.create("once", definition, **other)  # noqa: B023, E731
        assert refused(emulator, "InvalidParameterException", create) == (
            "Creation of service was not idempotent."
        )
    scaled = lambda: emulator.ecs.delete_service(cluster=NAME, service="once")  # noqa: E731
    assert "scaled above 0" in refused(emulator, "InvalidParameterException", scaled)
    emulator.delete("once")
    update = lambda: emulator.update("once", definition)  # noqa: E731
    assert refused(emulator, "ServiceNotActiveException", update) == "Service was not ACTIVE."
    assert "once" not in str(emulator.ecs.list_services(cluster=NAME)["serviceArns"])


@pytest.mark.parametrize(
    ("strategy", "percent", "minutes"),
    [
        ("LINEAR", 2.9, 5),
        ("LINEAR", 100.1, 5),
        ("LINEAR", 10.25, 5),
        ("LINEAR", 10.0, 1441),
        ("CANARY", 0.0, 5),
        ("CANARY", 10.0, -1),
    ],
)
def test_steps_beyond_the_documented_bounds(emulator, definition, strategy, percent, minutes):
    names = {"LINEAR": ("linear", "step"), "CANARY": ("canary", "canary")}[strategy]
    step = {f"{names[1]}Percent": percent, f"{names[1]}BakeTimeInMinutes": minutes}
    steps = {"strategy": strategy, f"{names[0]}Configuration": step}
    create = lambda: emulator.create("new", definition, steps)  # noqa: E731
    assert names[1] in refused(emulator, "InvalidParameterException", create)


@pytest.mark.parametrize("stage", ["TEST_TRAFFIC_SHIFT", "PRODUCTION_TRAFFIC_SHIFT"])
def test_a_pause_while_traffic_shifts(emulator, definition, stage):
    hooks = {"lifecycleHooks": [pause("POST_TEST_TRAFFIC_SHIFT", stage)]}
    create = lambda: emulator.create("new", definition, hooks)  # noqa: E731
    assert stage in refused(emulator, "InvalidParameterException", create)


def test_target_groups_rules_and_containers_that_do_not_belong_together(emulator, definition):
    elbv2, contract = emulator.client("elbv2"), emulator.contract
    vpc = elbv2.describe_target_groups()["TargetGroups"][0]["VpcId"]
    stray = elbv2.create_target_group(Name="stray", Protocol="HTTP", Port=80, VpcId=vpc)
    stray_arn = stray["TargetGroups"][0]["TargetGroupArn"]
    good = {
        "targetGroupArn": contract["blue_target_group"],
        "containerName": "app",
        "containerPort": 8000,
        "advancedConfiguration": {
            "alternateTargetGroupArn": contract["green_target_group"],
            "productionListenerRule": contract["production_rule"],
            "testListenerRule": contract["test_rule"],
            "roleArn": contract["load_balancer_role"],
        },
    }
    wrong = {
        "neither the production nor the test": ("alternateTargetGroupArn", stray_arn),
        "Unable to find the target groups": ("alternateTargetGroupArn", f"{stray_arn}0"),
        "Unable to find the listener rules": ("testListenerRule", f"{contract['test_rule']}0"),
        "does not exist in the task definition": ("containerName", "other"),
        "did not have a container port": ("containerPort", 9),
    }
    for expected, (key, value) in wrong.items():
        balancer = copy.deepcopy(good)
        (balancer if key in balancer else balancer["advancedConfiguration"])[key] = value
        create = partial(emulator.create, "new", definition, loadBalancers=[balancer])
        assert expected in refused(emulator, "InvalidParameterException", create)
    plain = {key: good[key] for key in good if key != "advancedConfiguration"}
    create = lambda: emulator.create("new", definition, loadBalancers=[plain])  # noqa: E731
    assert "advancedConfiguration" in refused(emulator, "InvalidParameterException", create)


def test_a_request_that_boto3_would_never_send(emulator):
    target = "AmazonEC2ContainerServiceV20141113.DescribeServices"
    scope = "Credential=local/20260101/eu-central-1/ecs/aws4_request"
    headers = {"X-Amz-Target": target, "Authorization": f"AWS4-HMAC-SHA256 {scope}, Signature=0"}
    answer = requests.post(emulator.url, headers=headers, json={"cluster": 5, "service": ["x"]})
    assert answer.status_code == 400
    assert answer.json()["__type"] == "InvalidParameterException"
    assert 'Missing required parameter in input: "services"' in answer.json()["message"]
    answer = requests.post(emulator.url, headers=headers, data="{")
    assert answer.json()["__type"] == "SerializationException"


GOOD = {
    "services": [
        {
            "serviceName": "s",
            "desiredCount": 1,
            "createdAt": 1.5,
            "deploymentConfiguration": configured(),
        }
    ],
    "failures": [],
}


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("serviceNam", "s", "Unknown parameter"),
        ("desiredCount", "1", "Invalid type"),
        ("createdAt", [], "Invalid type"),
        (
            "deploymentController",
            {},
            'Missing required parameter in services[0].deploymentController: "type"',
        ),
        ("schedulingStrategy", "SOMETIMES", ".services.schedulingStrategy is 'SOMETIMES'"),
    ],
)
def test_an_answer_that_ecs_never_gives_is_caught(key, value, expected):
    validation.check_answer("DescribeServices", GOOD)
    wrong = json.loads(json.dumps(GOOD))
    wrong["services"][0][key] = value
    with pytest.raises(validation.WrongAnswerError, match="DescribeServices") as caught:
        validation.check_answer("DescribeServices", wrong)
    assert expected in str(caught.value)
