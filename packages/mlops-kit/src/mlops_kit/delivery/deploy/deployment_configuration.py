"""How ECS deploys a release: its deploymentConfiguration, with the pauses for the probe."""

from __future__ import annotations

from typing import Any

from .contract import Contract
from .settings import DeployConfig

_PAUSE_BEFORE_USERS = "POST_TEST_TRAFFIC_SHIFT"
_PAUSE_BEFORE_STEPS = "PRE_PRODUCTION_TRAFFIC_SHIFT"  # recurs before each step


def deployment_configuration(
    config: DeployConfig, contract: Contract, alarms: bool = True
) -> dict[str, Any]:
    """Return ECS' deploymentConfiguration: strategy, pauses for the probe, circuit breaker and, with `alarms`, alarms.

    Sources: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DeploymentConfiguration.html
    and https://docs.aws.amazon.com/AmazonECS/latest/developerguide/pause-lifecycle-hooks.html
    """
    watched = alarms and config.alarms and bool(contract.alarms)
    steps = _steps(config)
    pause = {
        "targetType": "PAUSE",
        "lifecycleStages": [_PAUSE_BEFORE_USERS, *([_PAUSE_BEFORE_STEPS] if steps else [])],
        "timeoutConfiguration": {
            "timeoutInMinutes": config.pause_minutes,
            "action": "ROLLBACK",  # a deployer that was killed must let nothing through
        },
    }
    return {
        "strategy": config.strategy,
        "bakeTimeInMinutes": config.bake_minutes,
        "maximumPercent": 200,
        "minimumHealthyPercent": 100,
        "deploymentCircuitBreaker": {"enable": True, "rollback": True},
        "alarms": {
            "alarmNames": contract.alarms,
            "enable": watched,
            "rollback": watched,
        },
        "lifecycleHooks": [pause],
        **steps,
    }


def _steps(config: DeployConfig) -> dict[str, dict[str, float]]:
    """Return the percentage of each step of traffic and its minutes; nothing where the strategy has no steps."""
    names = {
        "CANARY": ("canaryConfiguration", "canaryPercent", "canaryBakeTimeInMinutes"),
        "LINEAR": ("linearConfiguration", "stepPercent", "stepBakeTimeInMinutes"),
    }.get(config.strategy)
    if names is None:
        return {}
    section, percent, minutes = names
    return {section: {percent: float(config.steps.percent), minutes: config.steps.bake_minutes}}
