"""Deployments that go well, as the deployer sees them."""

import time

import pytest

from .account import NAME
from .emulator import IN_FLIGHT, pause, wait

STAGES = [
    "PRE_SCALE_UP",
    "SCALE_UP",
    "POST_SCALE_UP",
    "TEST_TRAFFIC_SHIFT",
    "POST_TEST_TRAFFIC_SHIFT",
    "PRE_PRODUCTION_TRAFFIC_SHIFT",
    "PRODUCTION_TRAFFIC_SHIFT",
    "POST_PRODUCTION_TRAFFIC_SHIFT",
    "BAKE_TIME",
    "CLEAN_UP",
]


def colours(emulator):
    """Return the colour that serves now and the other one."""
    serving = next(colour for colour, weight in emulator.weights("production").items() if weight)
    return serving, "green" if serving == "blue" else "blue"


def followed(emulator, deployment):
    """Return the stages, each with the new revision's shares of production and test traffic, and the end."""
    seen = []
    while True:
        found = emulator.deployment(deployment)
        if found["status"] not in IN_FLIGHT:
            return seen, found
        target = found["targetServiceRevision"]
        state = (
            found.get("lifecycleStage"),
            target["requestedProductionTrafficWeight"],
            target["requestedTestTrafficWeight"],
        )
        if state[0] and state not in seen[-1:]:
            seen.append(state)
        time.sleep(0.02)


def assert_in_order(seen, expected):
    """A busy machine may look too late for one short stage; what it sees is in the order, from first to last."""
    assert seen == [each for each in expected if each in seen]
    assert len(seen) >= len(expected) - 2
    assert (seen[0], seen[-1]) == (expected[0], expected[-1])


def test_a_blue_green_deployment_shows_each_stage_and_moves_all_traffic(emulator, service, stub):
    old, new = colours(emulator)
    first = emulator.tasks(service)
    update = emulator.register(stub, VERSION="blue/green")
    deployment = emulator.update(service, update, {"bakeTimeInMinutes": 1})
    seen, end = followed(emulator, deployment)

    production, test = [0.0] * 6 + [100.0] * 4, [0.0] * 3 + [100.0] * 7
    assert_in_order(seen, list(zip(STAGES, production, test)))
    assert end["status"] == "SUCCESSFUL"
    assert emulator.weights("production") == {new: 100, old: 0}
    assert emulator.weights("test") == {new: 100, old: 0}
    assert emulator.version(emulator.production) == "blue/green"
    found = emulator.service(service)
    assert found["taskDefinition"] == update
    assert (found["runningCount"], found["pendingCount"], found["desiredCount"]) == (1, 0, 1)
    assert [one["rolloutState"] for one in found["deployments"]] == ["COMPLETED"]
    stopped = {task["taskArn"]: task for task in emulator.tasks(service, "STOPPED")}[
        first[0]["taskArn"]
    ]
    assert stopped["stopCode"] == "ServiceSchedulerInitiated"
    assert stopped["stoppedReason"].startswith("Scaling activity initiated by (deployment ecs-svc/")
    assert stopped["containers"][0]["exitCode"] == 0


def test_while_it_is_tested_the_new_version_answers_on_the_test_listener_only(
    emulator, service, stub
):
    before = emulator.version(emulator.production)
    update = emulator.register(stub, VERSION="tested")
    hooks = {"lifecycleHooks": [pause("POST_TEST_TRAFFIC_SHIFT", minutes=20)]}
    deployment = emulator.update(service, update, hooks)
    hook = emulator.waiting_hook(deployment)

    assert emulator.version(emulator.test) == "tested"
    assert emulator.version(emulator.production) == before
    found = emulator.service(service)
    assert found["taskDefinition"] == update
    assert {one["status"] for one in found["deployments"]} == {"PRIMARY", "ACTIVE"}
    assert len(found["currentServiceRevisions"]) == 2
    detail = emulator.deployment(deployment)["lifecycleHookDetails"][0]
    assert (detail["status"], detail["timeoutAction"]) == ("AWAITING_ACTION", "ROLLBACK")
    emulator.ecs.continue_service_deployment(
        serviceDeploymentArn=deployment, hookId=hook, action="CONTINUE"
    )
    end = emulator.ended(deployment)
    assert end["status"] == "SUCCESSFUL"
    assert end["lifecycleHookDetails"][0]["status"] == "SUCCEEDED"
    assert emulator.version(emulator.production) == "tested"


def test_a_hook_that_times_out_may_go_on(emulator, service, stub):
    hooks = {"lifecycleHooks": [pause("POST_TEST_TRAFFIC_SHIFT", minutes=1, action="CONTINUE")]}
    deployment = emulator.update(service, emulator.register(stub, VERSION="patient"), hooks)
    end = emulator.ended(deployment)
    assert end["status"] == "SUCCESSFUL"
    assert end["lifecycleHookDetails"][0]["status"] == "TIMED_OUT"


@pytest.mark.parametrize(
    ("configuration", "shares"),
    [
        (
            {
                "strategy": "CANARY",
                "canaryConfiguration": {"canaryPercent": 12.5, "canaryBakeTimeInMinutes": 1},
            },
            [12.5, 100.0],
        ),
        (
            {
                "strategy": "LINEAR",
                "linearConfiguration": {"stepPercent": 40.0, "stepBakeTimeInMinutes": 1},
            },
            [40.0, 80.0, 100.0],
        ),
    ],
)
def test_traffic_moves_in_steps_and_a_hook_waits_before_each(
    emulator, service, stub, configuration, shares
):
    old, new = colours(emulator)
    hooks = {"lifecycleHooks": [pause("PRE_PRODUCTION_TRAFFIC_SHIFT")]}
    update = emulator.register(stub, VERSION=configuration["strategy"])
    deployment = emulator.update(service, update, {**configuration, **hooks})
    answered = []
    for share in shares:
        hook = emulator.waiting_hook(deployment)
        assert hook not in answered
        answered.append(hook)
        emulator.ecs.continue_service_deployment(serviceDeploymentArn=deployment, hookId=hook)
        wait(lambda share=share: share_of(emulator, deployment) == share, f"{share} %")
        weights = emulator.weights("production")
        assert weights[new] / sum(weights.values()) == pytest.approx(share / 100, abs=0.002)
        # The proxy looks at the weights a few times a second.
        wait(lambda share=share: served(emulator, configuration["strategy"]) == share, "its share")
    assert emulator.ended(deployment)["status"] == "SUCCESSFUL"
    assert emulator.weights("production") == {new: 100, old: 0}


def served(emulator, version):
    """Return what percent of some answers are of a version."""
    versions = [emulator.version(emulator.production) for _ in range(40)]
    return 100 * versions.count(version) / 40


def share_of(emulator, deployment):
    return emulator.deployment(deployment)["targetServiceRevision"][
        "requestedProductionTrafficWeight"
    ]


def test_a_newer_deployment_replaces_one_that_is_in_flight(emulator, service, stub):
    before = emulator.version(emulator.production)
    hooks = {"lifecycleHooks": [pause("POST_TEST_TRAFFIC_SHIFT")]}
    first = emulator.update(service, emulator.register(stub, VERSION="late"), hooks)
    emulator.waiting_hook(first)
    second = emulator.update(service, emulator.register(stub, VERSION="latest"))
    assert emulator.deployment(first)["status"] == "STOP_REQUESTED"
    assert emulator.version(emulator.production) == before
    seen, end = followed(emulator, second)
    assert_in_order([stage for stage, _, _ in seen], ["RECONCILE_SERVICE", *STAGES])
    assert end["status"] == "SUCCESSFUL"
    assert emulator.deployment(first)["status"] == "STOPPED"
    assert emulator.version(emulator.production) == "latest"
    assert len(emulator.tasks(service)) == 1


def test_an_update_that_changes_nothing_starts_no_deployment(emulator, service, stub):
    before = emulator.service(service)
    assert emulator.update(service, before["taskDefinition"]) == before["currentServiceDeployment"]
    forced = emulator.update(service, before["taskDefinition"], forceNewDeployment=True)
    assert forced != before["currentServiceDeployment"]
    assert emulator.ended(forced)["status"] == "SUCCESSFUL"


def test_a_stopped_task_is_replaced_and_its_output_is_in_the_logs(emulator, service, stub):
    [task] = emulator.tasks(service)
    emulator.client("ecs").stop_task(
        cluster=task["clusterArn"], task=task["taskArn"], reason="to see"
    )
    wait(lambda: [one for one in emulator.tasks(service) if one["healthStatus"] == "HEALTHY"])
    assert emulator.tasks(service)[0]["taskArn"] != task["taskArn"]
    [stopped] = emulator.ecs.describe_tasks(cluster=task["clusterArn"], tasks=[task["taskArn"]])[
        "tasks"
    ]
    assert (stopped["stopCode"], stopped["stoppedReason"]) == ("UserInitiated", "to see")
    assert emulator.deployment(emulator.service(service)["currentServiceDeployment"])["status"] in (
        "SUCCESSFUL",
        "ROLLBACK_SUCCESSFUL",
    )
    stream = f"app/app/{task['taskArn'].rpartition('/')[2]}"
    logs = emulator.client("logs").get_log_events(
        logGroupName=emulator.contract["log_group"], logStreamName=stream
    )
    assert '"serving"' in logs["events"][0]["message"]


def test_targets_report_the_health_that_they_have(emulator, service, stub):
    elbv2, contract = emulator.client("elbv2"), emulator.contract
    serving, other = colours(emulator)

    def states(colour):
        arn = contract[f"{colour}_target_group"]
        found = elbv2.describe_target_health(TargetGroupArn=arn)["TargetHealthDescriptions"]
        return [one["TargetHealth"]["State"] for one in found]

    wait(lambda: states(serving) == ["healthy"])
    assert states(other) == []
    deployment = emulator.update(service, emulator.register(stub, VERSION="sick", READY="never"))
    wait(lambda: states(other) == ["unhealthy"])
    emulator.ecs.stop_service_deployment(serviceDeploymentArn=deployment, stopType="ROLLBACK")
    assert emulator.ended(deployment)["status"] == "ROLLBACK_SUCCESSFUL"


def test_deployments_are_listed_by_status_and_time_in_pages(emulator, service):
    ecs = emulator.ecs
    request = {"cluster": NAME, "service": service}
    every = ecs.list_service_deployments(**request, maxResults=100)["serviceDeployments"]
    assert every
    newest = every[0]
    assert newest["createdAt"] == max(one["createdAt"] for one in every)
    later = ecs.list_service_deployments(**request, createdAt={"after": newest["createdAt"]})
    assert [one["serviceDeploymentArn"] for one in later["serviceDeployments"]] == [
        newest["serviceDeploymentArn"]
    ]
    assert not ecs.list_service_deployments(**request, status=["PENDING"])["serviceDeployments"]
    paged = []
    page = {"nextToken": "0"}
    while "nextToken" in page:
        page = ecs.list_service_deployments(**request, maxResults=1, nextToken=page["nextToken"])
        paged += page["serviceDeployments"]
    assert paged == every
