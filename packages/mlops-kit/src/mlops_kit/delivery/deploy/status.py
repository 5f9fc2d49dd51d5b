"""The status of an environment, and what a deployment would change; read-only."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any, NamedTuple, Optional

from mlops_kit.core.errors import UserError

from . import task_definition
from .deployment_configuration import deployment_configuration
from .ecs import IN_FLIGHT
from .environment import Environment
from .release import Release

_RELEASES = 5


class Status(NamedTuple):
    """The status of an environment now."""

    lines: list[list[str]]  # name and value
    colours: list[list[str]]  # colour, production and test weight, health
    deployments: list[list[str]]  # the last ones: started, release, by, outcome, seconds
    in_flight: str  # stage of the deployment in flight, or empty


def read(environment: Environment) -> Status:
    """Return the status of an environment: release, weights, health, age, and the last five deployments."""
    ecs, balancer = environment.ecs, environment.balancer
    service = ecs.service()
    lines = [["environment", environment.name], ["address", environment.contract.production_url]]
    in_flight = ""
    if service is None:
        lines.append(["service", f"there is none yet (make deploy ENV={environment.name})"])
    else:
        lines += _service(environment, service)
        moving = ecs.deployments(IN_FLIGHT)
        if moving:
            full = ecs.deployment(moving[0]["serviceDeploymentArn"])
            in_flight = f"{full['status']} {full.get('lifecycleStage', '')}".strip()
            digest = _digest(environment, ecs.definition_of(full))
            brings = _name(environment.records.find_release(digest))
            since = _age(full["createdAt"])
            lines.append(["in flight", f"{in_flight}, since {since}, brings {brings}"])
    production, test = balancer.production(), balancer.test()
    colours = []
    for colour in production:
        states = balancer.health(balancer.target_group(colour))
        health = ", ".join(f"{states.count(state)} {state}" for state in sorted(set(states)))
        colours.append(
            [colour, f"{production[colour]:g} %", f"{test[colour]:g} %", health or "no targets"]
        )
    return Status(lines, colours, _history(environment), in_flight)


def changes(environment: Environment, release: Release) -> list[list[str]]:
    """Return what a deployment of `release` would change: name, value now, value then."""
    config, contract = environment.config, environment.contract
    service = environment.ecs.service()
    running = environment.ecs.task_definition(service["taskDefinition"]) if service else None
    now = task_definition.facts(running)
    then = task_definition.facts(task_definition.request(release, config, contract))
    if service:
        now |= _flat(service.get("deploymentConfiguration", {}))
        now["grace_seconds"] = service.get("healthCheckGracePeriodSeconds")
        now["tasks"] = service["desiredCount"]
    then |= _flat(deployment_configuration(config, contract))
    then["grace_seconds"] = config.tasks.grace_seconds
    then["tasks"] = now.get("tasks") if service and config.autoscaling else config.tasks.count
    return [
        [key, _text(now.get(key)), _text(then.get(key))]
        for key in sorted({*now, *then})
        if now.get(key) != then.get(key)
        and (key in then or key.startswith(("environment", "secrets")))
    ]


def previous(environment: Environment) -> Release:
    """Return the release that was deployed successfully before the current one.

    Raises:
        UserError: There is none.
    """
    service = environment.ecs.service()
    current = ""
    if service:
        current = task_definition.digest(environment.ecs.task_definition(service["taskDefinition"]))
    for _, record in environment.records.last(100):
        if record["outcome"] == "deployed" and record["digest"] != current:
            return environment.records.release(record["digest"])
    raise UserError(f"no earlier release was deployed to {environment.name} with success")


def _service(environment: Environment, service: dict[str, Any]) -> list[list[str]]:
    definition = environment.ecs.serving_definition(service)
    digest = _digest(environment, definition)
    release = environment.records.find_release(digest)
    tasks = f"{service['runningCount']} of {service['desiredCount']} run"
    if service["pendingCount"]:
        tasks += f", {service['pendingCount']} start"
    return [
        ["release", _name(release)],
        ["image", digest],
        ["commit", release.commit if release else "?"],
        ["data", release.data_digest if release else "?"],
        ["tasks", tasks],
        ["task definition", definition.rpartition("/")[2]],
        ["deployed", _deployed(environment, digest)],
    ]


def _digest(environment: Environment, definition: str) -> str:
    return task_definition.digest(environment.ecs.task_definition(definition))


def _name(release: Optional[Release]) -> str:
    return release.name if release else "none: deployed by other means"


def _deployed(environment: Environment, digest: str) -> str:
    for _, record in environment.records.last(100):
        if record["digest"] == digest and record["outcome"] == "deployed":
            started = datetime.strptime(record["started_at"], "%Y-%m-%dT%H:%M:%SZ")
            return f"{_age(started.replace(tzinfo=timezone.utc))} ago"
    return "?"


def _history(environment: Environment) -> list[list[str]]:
    return [
        [
            record["started_at"],
            record["tag"],
            record["by"],
            f"{record['kind']}: {record['outcome']}",
            f"{record['seconds']:g} s",
            record["reason"] or record["sentence"],
        ]
        for _, record in environment.records.last(_RELEASES)
    ]


def _flat(configuration: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested settings with dotted names; ECS' own defaults stay out of `changes`."""
    flat: dict[str, Any] = {}
    for key, value in configuration.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def _text(value: Any) -> str:
    return "–" if value is None else str(value)


def _age(since: datetime) -> str:
    seconds = (datetime.now(timezone.utc) - since).total_seconds()
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"
