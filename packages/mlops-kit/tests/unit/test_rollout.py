"""The state machine of a rollout, against recorded answers of ECS and any sequence of others."""

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_kit.delivery.deploy.ecs import look_of
from mlops_kit.delivery.deploy.rollout import (
    DEPLOYED,
    FAILED,
    NEEDS_A_PERSON,
    NOT_OURS,
    Action,
    Kind,
    Look,
    Rollout,
)

AT = datetime(2026, 11, 24, 12, tzinfo=timezone.utc)
OURS, OTHERS = "arn:task-definition/x:7", "arn:task-definition/x:6"
IN_FLIGHT = (
    "PENDING",
    "IN_PROGRESS",
    "STOP_REQUESTED",
    "ROLLBACK_REQUESTED",
    "ROLLBACK_IN_PROGRESS",
)
FINAL = ("SUCCESSFUL", "STOPPED", "ROLLBACK_SUCCESSFUL", "ROLLBACK_FAILED")
STAGES = (
    "",
    "RECONCILE_SERVICE",
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
    "A_STAGE_OF_NEXT_YEAR",
)


def rollout(first: bool = False) -> Rollout:
    return Rollout(first, deadline=100.0, patience=50.0)


def recorded(status: str, stage: str = "", **more: object) -> dict:
    """A service deployment as DescribeServiceDeployments answers it."""
    return {
        "serviceDeploymentArn": "arn:deployment/1",
        "createdAt": AT,
        "status": status,
        "lifecycleStage": stage,
        "targetServiceRevision": {
            "arn": "arn:revision/2",
            "requestedTaskCount": 1,
            "requestedTestTrafficWeight": 100.0,
            "requestedProductionTrafficWeight": 0.0,
        },
        **more,
    }


def paused(status: str = "AWAITING_ACTION") -> dict:
    hook = {"hookId": "hook-1", "targetType": "PAUSE", "status": status}
    return {"lifecycleHookDetails": [hook]}


def look(answer: dict, definition: str = OURS, later: bool = False) -> Look:
    listed = [{"createdAt": AT}] + [{"createdAt": AT + timedelta(seconds=1)}] * later
    return look_of(answer, {"taskDefinition": definition}, listed, OURS)


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("status", [*IN_FLIGHT, "A_STATUS_OF_NEXT_YEAR"])
def test_while_ecs_works_we_wait_and_look_at_production_while_it_bakes(status, stage, first):
    action = rollout(first).decide(look(recorded(status, stage)), 1.0)
    bakes = stage in ("POST_PRODUCTION_TRAFFIC_SHIFT", "BAKE_TIME")
    rolls_back = status in IN_FLIGHT[2:]
    wanted = Kind.PROBE if bakes and not rolls_back else Kind.WAIT
    assert action == Action(wanted, production=wanted is Kind.PROBE)


@pytest.mark.parametrize(
    ("answer", "definition", "first", "code", "message"),
    [
        (recorded("SUCCESSFUL"), OURS, False, DEPLOYED, "completed"),
        (recorded("SUCCESSFUL"), OURS, True, DEPLOYED, "completed"),
        (recorded("SUCCESSFUL"), OTHERS, False, NOT_OURS, "another task definition"),
        (
            recorded("ROLLBACK_SUCCESSFUL", rollback={"reason": "circuit breaker"}),
            OTHERS,
            False,
            FAILED,
            "circuit breaker",
        ),
        (
            recorded("ROLLBACK_SUCCESSFUL", alarms={"triggeredAlarmNames": ["a-5xx", "a-slow"]}),
            OTHERS,
            False,
            FAILED,
            "alarms went off: a-5xx, a-slow",
        ),
        (recorded("ROLLBACK_SUCCESSFUL"), OURS, True, NEEDS_A_PERSON, "first deployment"),
        (recorded("ROLLBACK_FAILED"), OTHERS, False, NEEDS_A_PERSON, "the rollback failed"),
        (recorded("ROLLBACK_FAILED"), OTHERS, True, NEEDS_A_PERSON, "the rollback failed"),
        (
            recorded("STOPPED", statusReason="stopped by a user"),
            OURS,
            False,
            NEEDS_A_PERSON,
            "stopped by a user; it was stopped without a rollback",
        ),
        (recorded("STOPPED"), OURS, True, NEEDS_A_PERSON, "first deployment"),
    ],
)
def test_how_ecs_ends_it_is_the_result(answer, definition, first, code, message):
    action = rollout(first).decide(look(answer, definition), 1.0)
    assert (action.kind, action.code) == (Kind.END, code)
    assert message in action.why


@pytest.mark.parametrize("status", [*IN_FLIGHT, "STOPPED", "ROLLBACK_SUCCESSFUL"])
def test_a_later_deployment_takes_the_place_of_ours(status):
    action = rollout().decide(look(recorded(status), OTHERS, later=True), 1.0)
    assert (action.kind, action.code) == (Kind.END, NOT_OURS)


def test_a_pause_is_answered_by_the_probe():
    waiting = look(recorded("IN_PROGRESS", "POST_TEST_TRAFFIC_SHIFT", **paused()))
    now = rollout()
    probe = now.decide(waiting, 1.0)
    assert (probe.kind, probe.hook, probe.production) == (Kind.PROBE, "hook-1", False)
    good, bad = now.after_probe(probe, ""), now.after_probe(probe, "golden predictions differ")
    answer = good.decide(waiting, 2.0)
    assert (answer.kind, answer.hook, answer.go_on) == (Kind.ANSWER, "hook-1", True)
    # ECS may show the hook a little longer: it is answered once.
    assert good.after_call(answer, 2.0).decide(waiting, 3.0) == Action(Kind.WAIT)
    answer = bad.decide(waiting, 2.0)
    assert (answer.kind, answer.go_on, answer.why) == (
        Kind.ANSWER,
        False,
        "golden predictions differ",
    )
    end = bad.after_call(answer, 2.0).decide(look(recorded("ROLLBACK_SUCCESSFUL"), OTHERS), 9.0)
    assert (end.code, end.why) == (FAILED, "golden predictions differ")


def test_a_hook_that_is_over_is_not_probed():
    over = look(recorded("IN_PROGRESS", "POST_TEST_TRAFFIC_SHIFT", **paused("SUCCEEDED")))
    assert rollout().decide(over, 1.0) == Action(Kind.WAIT)


def test_before_a_further_step_production_is_asked():
    answer = recorded("IN_PROGRESS", "PRE_PRODUCTION_TRAFFIC_SHIFT", **paused())
    assert not rollout().decide(look(answer), 1.0).production
    answer["targetServiceRevision"]["requestedProductionTrafficWeight"] = 10.0
    assert rollout().decide(look(answer), 1.0).production


def test_a_bad_look_at_production_stops_it_once():
    bakes = look(recorded("IN_PROGRESS", "BAKE_TIME"))
    probe = rollout().decide(bakes, 1.0)
    ill = rollout().after_probe(probe, "slow").after_probe(probe, "slower")
    stop = ill.decide(bakes, 2.0)
    assert (stop.kind, stop.why) == (Kind.STOP, "slow")
    assert ill.after_call(stop, 2.0).decide(bakes, 3.0) == Action(Kind.WAIT)


def test_past_the_deadline_it_is_stopped_and_a_rollback_that_hangs_needs_a_person():
    stuck = look(recorded("IN_PROGRESS", "SCALE_UP"))
    assert rollout().decide(stuck, 100.0) == Action(Kind.WAIT)
    stop = rollout().decide(stuck, 100.1)
    assert (stop.kind, stop.why) == (Kind.STOP, "the deadline was over in SCALE_UP")
    rolling = rollout().after_call(stop, 101.0)
    assert rolling.decide(look(recorded("ROLLBACK_IN_PROGRESS")), 151.0) == Action(Kind.WAIT)
    end = rolling.decide(look(recorded("ROLLBACK_IN_PROGRESS")), 151.1)
    assert (end.kind, end.code) == (Kind.END, NEEDS_A_PERSON)
    assert "the deadline was over in SCALE_UP" in end.why


def test_a_first_deployment_is_not_rolled_back_but_ended():
    end = rollout(first=True).decide(look(recorded("IN_PROGRESS", "SCALE_UP")), 100.1)
    assert (end.kind, end.code) == (Kind.END, NEEDS_A_PERSON)
    assert "no version to roll back to" in end.why


words = st.text(st.characters(codec="ascii", categories=("Lu",)), max_size=8)
looks = st.builds(
    Look,
    status=st.one_of(st.sampled_from(IN_FLIGHT + FINAL), words),
    stage=st.one_of(st.sampled_from(STAGES), words),
    hook=st.sampled_from(["", "", "h1", "h2", "h3"]),
    reason=words,
    is_ours=st.booleans(),
    superseded=st.sampled_from([False, False, False, True]),
    alarms=st.lists(words, max_size=2).map(tuple),
    production_weight=st.sampled_from([0.0, 10.0, 100.0]),
)


@given(
    events=st.lists(st.tuples(looks, st.floats(0, 20), st.booleans()), max_size=40),
    first=st.booleans(),
)
def test_any_sequence_of_looks_ends_with_the_right_exit_code(events, first):
    """Whatever ECS shows, it ends; never well without SUCCESSFUL and ours, never on with a bad probe."""
    state, now, stops = rollout(first), 0.0, 0
    failed, answered = set(), set()
    # In the end ECS reports nothing new; time still passes.
    last = events[-1][0] if events else Look("IN_PROGRESS")
    for seen, seconds, passes in events + [(last, 60.0, True)] * 6:
        now += seconds
        action = state.decide(seen, now)
        if action.kind is Kind.END:
            if action.code == DEPLOYED:
                assert (seen.status, seen.is_ours) == ("SUCCESSFUL", True)
            if action.code == FAILED:
                assert seen.status == "ROLLBACK_SUCCESSFUL"
                assert not first
            if seen.status == "ROLLBACK_FAILED" and not seen.superseded:
                assert action.code == NEEDS_A_PERSON
            assert action.code in (DEPLOYED, FAILED, NEEDS_A_PERSON, NOT_OURS)
            assert action.why
            return
        assert seen.status not in FINAL
        if action.kind is Kind.PROBE:
            state = state.after_probe(action, "" if passes else "bad")
            if not passes:
                failed.add(action.hook)
        elif action.kind is Kind.ANSWER:
            assert action.hook not in answered
            assert action.go_on == (action.hook not in failed)
            answered.add(action.hook)
            state = state.after_call(action, now)
        elif action.kind is Kind.STOP:
            assert not first
            stops += 1
            state = state.after_call(action, now)
    raise AssertionError("it never ends")


@given(events=st.lists(looks, max_size=30))
def test_it_is_stopped_at_most_once(events):
    state, stops = rollout(), 0
    for now, seen in enumerate(events):
        action = state.decide(seen, 10.0 * now)
        stops += action.kind is Kind.STOP
        if action.kind is Kind.PROBE:
            state = state.after_probe(action, "bad")
        elif action.kind in (Kind.STOP, Kind.ANSWER):
            state = state.after_call(action, 10.0 * now)
    assert stops <= 1
