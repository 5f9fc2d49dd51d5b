"""The steps of a deployment, by its strategy, with their hooks, and the stages that it has entered.

Sources: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/blue-green-deployment-how-it-works.html,
https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_CanaryConfiguration.html and
https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_LinearConfiguration.html
"""

from __future__ import annotations

from typing import Any, NamedTuple, Optional

from .records import Deployment

PAUSES_REFUSED = ("TEST_TRAFFIC_SHIFT", "PRODUCTION_TRAFFIC_SHIFT")


class Step(NamedTuple):
    """A lifecycle stage, its minutes of ECS, and for a shift the percentage of production traffic after it."""

    stage: str
    minutes: float = 0.0
    percent: float = 0.0


def steps(configuration: dict[str, Any], first: bool, reconcile: bool) -> list[Step]:
    """Return the steps of a deployment, in order.

    Args:
        configuration: The service's deploymentConfiguration.
        first: There is no earlier revision, so all traffic goes to the new one in one step.
        reconcile: An earlier deployment was stopped, and its tasks and weights are cleaned up first.
    """
    begin = [Step("RECONCILE_SERVICE")] if reconcile else []
    bake = Step("BAKE_TIME", configuration.get("bakeTimeInMinutes", 0))
    if strategy(configuration) == "ROLLING":
        return [*begin, Step("SCALE_UP"), bake, Step("CLEAN_UP")]
    begin += [
        Step("PRE_SCALE_UP"),
        Step("SCALE_UP"),
        Step("POST_SCALE_UP"),
        Step("TEST_TRAFFIC_SHIFT"),
        Step("POST_TEST_TRAFFIC_SHIFT"),
    ]
    shifts = [
        step
        for percent, minutes in ([(100.0, 0.0)] if first else _shares(configuration))
        for step in (
            Step("PRE_PRODUCTION_TRAFFIC_SHIFT"),
            Step("PRODUCTION_TRAFFIC_SHIFT", minutes, percent),
        )
    ]
    return [*begin, *shifts, Step("POST_PRODUCTION_TRAFFIC_SHIFT"), bake, Step("CLEAN_UP")]


def plan_of(deployment: Deployment) -> list[Step]:
    """Return the steps of a deployment."""
    return steps(deployment.configuration, not deployment.source, deployment.reconcile)


def stages_so_far(deployment: Deployment) -> list[str]:
    """Return the stages that a deployment has entered, the present one last."""
    return [step.stage for step in plan_of(deployment)[: deployment.position + 1]]


def stage(deployment: Deployment) -> str:
    """Return the lifecycle stage that a deployment shows."""
    if deployment.status in ("ROLLBACK_IN_PROGRESS", "ROLLBACK_SUCCESSFUL"):
        return "CLEAN_UP"
    return stages_so_far(deployment)[-1]


def strategy(configuration: dict[str, Any]) -> str:
    """Return the strategy, which is ROLLING where none is given."""
    return str(configuration.get("strategy", "ROLLING"))


def hook_at(configuration: dict[str, Any], of_stage: str) -> Optional[dict[str, Any]]:
    """Return the lifecycle hook of a stage as the configuration has it, or None."""
    for hook in configuration.get("lifecycleHooks", []):
        if of_stage in hook.get("lifecycleStages", []):
            found: dict[str, Any] = hook
            return found
    return None


def _shares(configuration: dict[str, Any]) -> list[tuple[float, float]]:
    """Return the percentages of production traffic that the new revision gets, with the minutes of each."""
    if strategy(configuration) == "CANARY":
        canary = configuration.get("canaryConfiguration", {})
        minutes = canary.get("canaryBakeTimeInMinutes", 10)
        return [(float(canary.get("canaryPercent", 5)), minutes), (100.0, 0.0)]
    if strategy(configuration) == "LINEAR":
        linear = configuration.get("linearConfiguration", {})
        step, minutes = float(linear.get("stepPercent", 10)), linear.get("stepBakeTimeInMinutes", 6)
        count = 1
        shares = []
        while step * count < 100:
            shares.append((step * count, minutes))
            count += 1
        return [*shares, (100.0, 0.0)]
    return [(100.0, 0.0)]
