"""Deployments that fail: the old version continues to serve, and the reason is reported."""

import pytest

from .account import NAME
from .emulator import pause, wait


def start(emulator, service, stub, configuration=None, **variables):
    """Begin an update; return its deployment, and the service's task definition and weights before."""
    before = emulator.service(service)["taskDefinition"], emulator.weights("production")
    update = emulator.register(stub, VERSION="bad", **variables)
    return emulator.update(service, update, configuration), before


def check_rolled_back(emulator, service, deployment, before):
    """Wait for the end of a rollback, and check that everything is as before."""
    end = emulator.ended(deployment)
    assert end["status"] == "ROLLBACK_SUCCESSFUL", end
    assert end["rollback"]["reason"] == end["statusReason"]
    assert end["rollback"]["serviceRevisionArn"] == end["sourceServiceRevisions"][0]["arn"]
    assert (emulator.service(service)["taskDefinition"], emulator.weights("production")) == before
    assert emulator.weights("test") == before[1]
    assert emulator.version(emulator.production) not in ("", "bad")
    assert len(emulator.tasks(service)) == 1
    return end


def test_a_crash_loop_trips_the_circuit_breaker(emulator, service, stub):
    deployment, before = start(emulator, service, stub, CRASH="9")
    end = check_rolled_back(emulator, service, deployment, before)
    assert end["statusReason"] == (
        "Service deployment rolled back because the circuit breaker threshold was exceeded."
    )
    assert end["deploymentCircuitBreaker"] == {
        "status": "TRIGGERED",
        "failureCount": 3,
        "threshold": 3,
    }
    crashed = [
        task
        for task in emulator.tasks(service, "STOPPED")
        if task["containers"][0].get("exitCode") == 9
    ]
    assert len(crashed) >= 3
    assert {task["stopCode"] for task in crashed} == {"EssentialContainerExited"}
    assert {task["stoppedReason"] for task in crashed} == {"Essential container in task exited"}


def test_tasks_that_never_get_healthy_are_stopped_and_counted(emulator, service, stub):
    grace = emulator.service(service)["healthCheckGracePeriodSeconds"]
    ecs = emulator.ecs
    ecs.update_service(cluster=NAME, service=service, healthCheckGracePeriodSeconds=1)
    deployment, before = start(emulator, service, stub, READY="never")
    check_rolled_back(emulator, service, deployment, before)
    reasons = [task["stoppedReason"] for task in emulator.tasks(service, "STOPPED")]
    failed = [reason for reason in reasons if "health checks" in reason]
    assert len(failed) >= 3
    assert failed[0].startswith("Task failed ELB health checks in (target-group arn:aws:elastic")
    ecs.update_service(cluster=NAME, service=service, healthCheckGracePeriodSeconds=grace)


def test_an_alarm_during_the_bake_rolls_back(emulator, service, stub):
    name = emulator.contract["alarms"][0]
    alarms = {"alarmNames": [name], "enable": True, "rollback": True}
    configuration = {"bakeTimeInMinutes": 40, "alarms": alarms}
    deployment, before = start(emulator, service, stub, configuration)
    emulator.reaches(deployment, "BAKE_TIME")
    assert emulator.version(emulator.production) == "bad"
    cloudwatch = emulator.client("cloudwatch")
    cloudwatch.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="to see")
    end = check_rolled_back(emulator, service, deployment, before)
    cloudwatch.set_alarm_state(AlarmName=name, StateValue="OK", StateReason="seen")
    assert end["alarms"]["triggeredAlarmNames"] == [name]
    assert end["alarms"]["status"] == "TRIGGERED"
    assert name in end["statusReason"]


def test_alarm_active_at_the_start_is_watched_or_ignored(emulator, service, stub):
    name = emulator.contract["alarms"][0]
    alarms = {"alarms": {"alarmNames": [name], "enable": True, "rollback": True}}
    cloudwatch = emulator.client("cloudwatch")
    cloudwatch.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="to see")
    watched, before = start(emulator, service, stub, alarms)
    end = check_rolled_back(emulator, service, watched, before)
    assert end["alarms"]["triggeredAlarmNames"] == [name]
    emulator.play(alarms_at_start="ignored")
    ignored = emulator.update(service, emulator.register(stub, VERSION="unwatched"), alarms)
    assert emulator.ended(ignored)["status"] == "SUCCESSFUL"
    emulator.play(alarms_at_start="watched")
    off = emulator.update(service, emulator.register(stub, VERSION="without"))
    assert emulator.ended(off)["status"] == "SUCCESSFUL"
    cloudwatch.set_alarm_state(AlarmName=name, StateValue="OK", StateReason="seen")


def test_what_was_rolled_back_is_deployed_again_only_when_forced(emulator, service, stub):
    hooks = {"lifecycleHooks": [pause("POST_TEST_TRAFFIC_SHIFT")]}
    update = emulator.register(stub, VERSION="again")
    first = emulator.update(service, update, hooks)
    emulator.waiting_hook(first)
    emulator.ecs.stop_service_deployment(serviceDeploymentArn=first, stopType="ROLLBACK")
    assert emulator.ended(first)["status"] == "ROLLBACK_SUCCESSFUL"
    assert emulator.update(service, update) == first
    forced = emulator.update(service, update, forceNewDeployment=True)
    assert emulator.ended(forced)["status"] == "SUCCESSFUL"


def test_a_deployment_is_stopped_with_a_rollback_on_request(emulator, service, stub):
    deployment, before = start(emulator, service, stub, {"bakeTimeInMinutes": 60})
    emulator.reaches(deployment, "BAKE_TIME")
    emulator.ecs.stop_service_deployment(serviceDeploymentArn=deployment, stopType="ROLLBACK")
    assert emulator.deployment(deployment)["status"] == "ROLLBACK_REQUESTED"
    check_rolled_back(emulator, service, deployment, before)
    with pytest.raises(emulator.ecs.exceptions.ConflictException):
        emulator.ecs.stop_service_deployment(serviceDeploymentArn=deployment)


def test_aborted_deployment_stays_in_its_stage(emulator, service, stub):
    deployment, _ = start(emulator, service, stub, {"bakeTimeInMinutes": 60})
    emulator.reaches(deployment, "BAKE_TIME")
    emulator.ecs.stop_service_deployment(serviceDeploymentArn=deployment, stopType="ABORT")
    assert emulator.ended(deployment)["status"] == "STOPPED"
    assert emulator.version(emulator.production) == "bad"
    repaired = emulator.update(service, emulator.register(stub, VERSION="repaired"))
    assert emulator.ended(repaired)["status"] == "SUCCESSFUL"
    assert emulator.version(emulator.production) == "repaired"
    assert len(emulator.tasks(service)) == 1


def test_hook_action_rollback_rolls_back(emulator, service, stub):
    hooks = {"lifecycleHooks": [pause("POST_TEST_TRAFFIC_SHIFT")]}
    deployment, before = start(emulator, service, stub, hooks)
    hook = emulator.waiting_hook(deployment)
    emulator.ecs.continue_service_deployment(
        serviceDeploymentArn=deployment, hookId=hook, action="ROLLBACK"
    )
    end = check_rolled_back(emulator, service, deployment, before)
    assert end["lifecycleHookDetails"][0]["status"] == "FAILED"


def test_hook_without_action_times_out_and_rolls_back(emulator, service, stub):
    hooks = {"lifecycleHooks": [pause("POST_TEST_TRAFFIC_SHIFT", minutes=1)]}
    deployment, before = start(emulator, service, stub, hooks)
    end = check_rolled_back(emulator, service, deployment, before)
    assert end["lifecycleHookDetails"][0]["status"] == "TIMED_OUT"
    assert "timed out" in end["statusReason"]


def test_a_first_deployment_that_fails_has_nothing_to_return_to(emulator, no_service, stub):
    created = emulator.create("first", emulator.register(stub, VERSION="first", CRASH="3"))
    end = emulator.ended(created["currentServiceDeployment"])
    assert end["status"] == "STOPPED"
    assert "there is none" in end["statusReason"]
    assert end["sourceServiceRevisions"] == []
    tried = len(emulator.tasks("first", "STOPPED"))
    wait(lambda: len(emulator.tasks("first", "STOPPED")) > tried, "one more try")
    emulator.ecs.update_service(cluster=NAME, service="first", desiredCount=0)
    wait(lambda: not emulator.tasks("first"), "the end of the tries")
    good = emulator.register(stub, VERSION="first")
    repaired = emulator.update("first", good, desiredCount=1)
    assert emulator.ended(repaired)["status"] == "SUCCESSFUL"
    assert emulator.version(emulator.production) == "first"
    emulator.delete("first")


def test_hooks_may_be_skipped_on_a_first_deployment(emulator, no_service, stub):
    hooks = {"lifecycleHooks": [pause("POST_TEST_TRAFFIC_SHIFT")]}
    emulator.play(hooks_on_first="skipped")
    created = emulator.create("hookless", emulator.register(stub, VERSION="first"), hooks)
    end = emulator.ended(created["currentServiceDeployment"])
    assert (end["status"], end["lifecycleHookDetails"]) == ("SUCCESSFUL", [])
    later = emulator.update("hookless", emulator.register(stub, VERSION="later"), hooks)
    assert emulator.waiting_hook(later)
    emulator.play(hooks_on_first="run")
    emulator.delete("hookless")


def test_a_rollback_that_fails_leaves_the_weights(emulator, service, stub):
    deployment, before = start(emulator, service, stub, {"bakeTimeInMinutes": 60})
    emulator.reaches(deployment, "BAKE_TIME")
    shifted = emulator.weights("production")
    emulator.fault("rollback-fails")
    emulator.ecs.stop_service_deployment(serviceDeploymentArn=deployment, stopType="ROLLBACK")
    end = emulator.ended(deployment)
    assert end["status"] == "ROLLBACK_FAILED"
    assert "could not be modified" in end["statusReason"]
    assert emulator.weights("production") == shifted != before[1]


def test_an_invalid_networking_configuration_rolls_back(emulator, service, stub):
    emulator.fault("invalid-networking")
    deployment, before = start(emulator, service, stub)
    end = check_rolled_back(emulator, service, deployment, before)
    assert "invalid networking configuration" in end["statusReason"]


def test_a_deployment_that_hangs_can_be_stopped_or_goes_on_when_the_fault_is_cleared(
    emulator, service, stub
):
    emulator.fault("hang", stage="POST_SCALE_UP")
    deployment, before = start(emulator, service, stub)
    emulator.reaches(deployment, "POST_SCALE_UP")
    emulator.ecs.stop_service_deployment(serviceDeploymentArn=deployment, stopType="ROLLBACK")
    check_rolled_back(emulator, service, deployment, before)
    deployment = emulator.update(service, emulator.register(stub, VERSION="freed"))
    emulator.reaches(deployment, "POST_SCALE_UP")
    emulator.clear()
    assert emulator.ended(deployment)["status"] == "SUCCESSFUL"
