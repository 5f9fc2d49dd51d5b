"""The checks of ECS on the request for a service.

Source: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DeploymentConfiguration.html
"""

from __future__ import annotations

from typing import Any

from .aws import Aws
from .lookup import EcsError
from .plan import PAUSES_REFUSED, strategy
from .routes import weights_of

_DEFAULTS: dict[str, Any] = {
    "deploymentCircuitBreaker": {"enable": False, "rollback": False},
    "maximumPercent": 200,
    "minimumHealthyPercent": 100,
    "strategy": "ROLLING",
    "bakeTimeInMinutes": 0,
}
_MOST_MINUTES = 1440
# By strategy: its member of the configuration, two members in that, and the minimum percentage.
_STEPS = {
    "CANARY": ("canaryConfiguration", "canaryPercent", "canaryBakeTimeInMinutes", 0.1),
    "LINEAR": ("linearConfiguration", "stepPercent", "stepBakeTimeInMinutes", 3.0),
}


def configuration(given: dict[str, Any], balancers: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the deploymentConfiguration `given`, completed with ECS's defaults.

    Raises:
        EcsError: It is invalid, or has another hook than PAUSE.
    """
    full = {**_DEFAULTS, **given}
    for hook in full.get("lifecycleHooks", []):
        if hook.get("targetType") != "PAUSE":
            raise EcsError(
                "UnsupportedFeatureException", "The local emulator knows PAUSE hooks only."
            )
        refused = [one for one in hook.get("lifecycleStages", []) if one in PAUSES_REFUSED]
        if refused:
            raise _invalid(
                f"PAUSE lifecycle hooks are not supported at the stage {', '.join(refused)}."
            )
    shifts = strategy(full) != "ROLLING"
    if shifts and not all("advancedConfiguration" in one for one in balancers):
        raise _invalid(f"The strategy {strategy(full)} needs advancedConfiguration.")
    _numbers(full)
    return full


def _numbers(full: dict[str, Any]) -> None:
    """Check the bounds in ECS's documentation: botocore's model has none.

    Raises:
        EcsError: A number is out of bounds.
    """
    _minutes("bakeTimeInMinutes", full)
    for member, percent, minutes, least in _STEPS.values():
        given = full.get(member, {})
        value = given.get(percent, least)
        if not (least <= value <= 100 and round(value, 1) == value):
            raise _invalid(f"{percent} must be a multiple of 0.1 between {least} and 100.0.")
        _minutes(minutes, given)


def _minutes(name: str, given: dict[str, Any]) -> None:
    if not 0 <= given.get(name, 0) <= _MOST_MINUTES:
        raise _invalid(f"{name} must be between 0 and {_MOST_MINUTES}.")


def load_balancers(
    aws: Aws, region: str, balancers: list[dict[str, Any]], definition: dict[str, Any]
) -> None:
    """Check that target groups, rules and the container exist and belong together.

    Raises:
        EcsError: They do not.
    """
    containers = {one["name"]: one for one in definition["containerDefinitions"]}
    for balancer in balancers:
        container = containers.get(balancer.get("containerName", ""))
        if container is None:
            raise _invalid(
                f"The container {balancer.get('containerName')} does not exist in the task definition."
            )
        ports = [one.get("containerPort") for one in container.get("portMappings", [])]
        if balancer.get("containerPort") not in ports:
            raise _invalid(
                f"The container {container['name']} did not have a container port"
                f" {balancer.get('containerPort')} defined."
            )
        _target_groups(aws, region, balancer)


def _target_groups(aws: Aws, region: str, balancer: dict[str, Any]) -> None:
    elbv2 = aws.client("elbv2", region)
    advanced = balancer.get("advancedConfiguration", {})
    groups = [balancer["targetGroupArn"]]
    groups += [advanced["alternateTargetGroupArn"]] if advanced else []
    try:
        elbv2.describe_target_groups(TargetGroupArns=groups)
    except elbv2.exceptions.TargetGroupNotFoundException:
        raise _invalid(f"Unable to find the target groups {', '.join(groups)}.") from None
    if not advanced:
        return
    names = ("productionListenerRule", "testListenerRule")
    rules = [advanced[name] for name in names if name in advanced]
    try:
        found = elbv2.describe_rules(RuleArns=rules)["Rules"]
    except elbv2.exceptions.RuleNotFoundException:
        raise _invalid(f"Unable to find the listener rules {', '.join(rules)}.") from None
    on_rules = {group for rule in found for group in weights_of(rule["Actions"][-1])}
    missing = [group for group in groups if group not in on_rules]
    if missing:
        raise _invalid(
            f"The target groups {', '.join(missing)} are on neither the production nor the test listener rule."
        )


def _invalid(message: str) -> EcsError:
    return EcsError("InvalidParameterException", message)
