"""Roll back to an earlier release; also while a deployment is stuck."""

from __future__ import annotations

import time

from mlops_kit.core.errors import UserError

from . import aws, push, status, task_definition
from .deploy import Deployer
from .ecs import GOING_ON, IN_FLIGHT, Ecs
from .environment import Environment
from .permission import Wanted
from .release import Release
from .report import Report
from .rollout import NEEDS_A_PERSON, Look


def roll_back(environment: Environment, report: Report, to: str, reason: str) -> int:
    """Roll back to the release with the image tag `to`, or to the previous one; return the exit code (`report.OUTCOMES`).

    A deployment in flight is stopped first: ECS restores the version that served before it. `to` may name a release that
    never served here; it then has to pass the checks of any deployment.

    Raises:
        UserError: There is no release to roll back to.
        StuckRollbackError: ECS has not ended the deployment in flight within `deadline_minutes`.
    """
    target = push.find(environment, to) if to else None
    ended = _end_in_flight(environment, report)
    if target is None:
        target = _current_release(environment) if ended else status.previous(environment)
    has_served = not to or environment.records.has_passed(target.digest, environment.name)
    wanted = Wanted(target, reason, is_rollback=has_served)
    return Deployer(environment, report).deploy(wanted)


def _end_in_flight(environment: Environment, report: Report) -> bool:
    """Have ECS roll back the deployment in flight, and wait until it has; return whether there was one."""
    ecs = environment.ecs
    found = ecs.deployments(IN_FLIGHT) if ecs.service() else []
    if not found:
        return False
    arn = found[0]["serviceDeploymentArn"]
    if found[0]["status"] in GOING_ON:
        report.note("rollback", f"ends the deployment in flight: {arn.rpartition('/')[2]}")
        _stop(ecs, arn)
    else:
        report.note("rollback", f"waits for {arn.rpartition('/')[2]}, which is being rolled back")
    deadline = time.monotonic() + 60 * environment.config.deadline_minutes
    while time.monotonic() < deadline:
        found_now = ecs.deployment(arn)
        look = Look(found_now["status"])
        if look.is_final:
            report.add_stage(look.status)
            return True
        time.sleep(environment.config.poll_seconds)
    raise StuckRollbackError(
        f"ECS has not ended {arn} within {environment.config.deadline_minutes:g} minutes"
    )


def _stop(ecs: Ecs, arn: str) -> None:
    try:
        ecs.stop(arn)
    except aws.errors() as error:
        if aws.is_passing(error) or aws.is_expired(error):
            raise
        if ecs.deployment(arn)["status"] in GOING_ON:  # otherwise it has ended meanwhile
            raise


class StuckRollbackError(UserError):
    """ECS has not ended a deployment before the deadline."""

    exit_code = NEEDS_A_PERSON


def _current_release(environment: Environment) -> Release:
    """Return the release of the service's task definition.

    Raises:
        UserError: The service was deleted, or its image is no release.
    """
    service = environment.ecs.service()
    if service is None:
        raise UserError("the service is gone")
    definition = environment.ecs.task_definition(service["taskDefinition"])
    return environment.records.release(task_definition.digest(definition))
