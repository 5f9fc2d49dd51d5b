"""Whether a release may be deployed to an environment now; nothing is changed."""

from __future__ import annotations

from typing import Any, NamedTuple, Optional

from mlops_kit.core.errors import UserError

from . import ecs, preflight, task_definition
from .environment import Environment
from .release import Release
from .report import Report
from .rollout import NOT_OURS

_BY_A_PIPELINE = "pipeline"  # APPROVE of a CI system with an approval of its own


class InFlightError(UserError):
    """A deployment is in flight already."""

    exit_code = NOT_OURS


class Wanted(NamedTuple):
    """A release, and the options of its deployment."""

    release: Release
    reason: str = ""  # why it may skip the required environment, or replace an unhealthy service
    approval: str = ""  # the release's tag, typed by the approver
    supersede: bool = False  # replace a deployment that is in flight
    is_rollback: bool = False  # it has served here before, so it need not pass elsewhere first

    @property
    def is_approved(self) -> bool:
        """Return whether it may go to an environment that requires an approval."""
        return self.is_rollback or self.approval in (self.release.tag, _BY_A_PIPELINE)


def require(
    environment: Environment, wanted: Wanted, service: Optional[dict[str, Any]], report: Report
) -> bool:
    """Require that the release may be deployed; return whether alarms may roll the deployment back.

    Args:
        environment: Where it is to be deployed.
        wanted: The release and its options.
        service: The service as ECS describes it, or None.
        report: Gets the preflight's checks and the digest that serves now.

    Raises:
        UserError: It may not; the message has what to do.
    """
    in_flight = environment.ecs.deployments(ecs.IN_FLIGHT) if service else []
    _require_order(environment, wanted, in_flight)
    checks = environment.preflight.all(
        wanted.release, service, bool(in_flight), wanted.is_rollback, wanted.reason
    )
    report.add_checks("preflight", checks)
    preflight.require(checks)
    alarms = not (wanted.is_rollback or (wanted.reason and environment.preflight.active_alarms()))
    if service:
        _require_tasks(environment, service)
        running = environment.ecs.task_definition(environment.ecs.serving_definition(service))
        report.previous = task_definition.digest(running)
    return alarms


def _require_order(
    environment: Environment, wanted: Wanted, in_flight: list[dict[str, Any]]
) -> None:
    name, required = environment.name, environment.config.requires
    if in_flight and not wanted.supersede:
        raise InFlightError(
            f"a deployment is in flight since {in_flight[0]['createdAt']:%H:%M:%S}: RESUME=1 follows it,"
            f" SUPERSEDE=1 replaces it, make rollback ENV={name} ends it"
        )
    passed = not required or environment.records.has_passed(wanted.release.digest, required)
    if not (passed or wanted.reason or wanted.is_rollback):
        raise UserError(
            f"{wanted.release.name} has not passed {required}: make deploy ENV={required} first,"
            ' or give REASON="why it may skip that", which is kept'
        )
    if environment.config.approval and not wanted.is_approved:
        raise UserError(
            f"{name} requires an approval by the release's tag, and APPROVE is {wanted.approval!r}:"
            f" make deploy ENV={name} APPROVE={wanted.release.tag}"
        )


def _require_tasks(environment: Environment, service: dict[str, Any]) -> None:
    """Require that the service has tasks, unless none was ever verified in it."""
    if service["desiredCount"] == 0 and environment.records.has_any_passed_since(
        service["createdAt"]
    ):
        raise UserError(
            "the service is scaled to 0 tasks, so a deployment would prove nothing:"
            f" aws ecs update-service --cluster {environment.contract.cluster}"
            f" --service {environment.contract.service} --desired-count 1 first"
        )
