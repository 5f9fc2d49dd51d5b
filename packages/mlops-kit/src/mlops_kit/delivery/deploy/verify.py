"""Verify the version that serves after a deployment, and diagnose a failure."""

from __future__ import annotations

from . import autoscaling, aws, diagnosis
from .environment import Environment
from .probe import Probe, failures
from .release import Release
from .report import Report
from .rollout import DEPLOYED, FAILED, NEEDS_A_PERSON
from .watch import Ending


def verify(
    environment: Environment, release: Release, report: Report, ending: Ending, first: bool
) -> Ending:
    """Return `ending` if it agrees with the version that serves now, else the real ending.

    A deployer must not report "stable after a rollback" as a success: so the version that serves in production is
    probed, whatever status ECS reports.

    Raises:
        ClientError: AWS refuses.
    """
    if ending.code == DEPLOYED:
        return _verify_deployed(environment, release, report, ending, first)
    if ending.code in (FAILED, NEEDS_A_PERSON):
        sentence = _diagnose(environment, report, ending.sentence)
        code = ending.code
        if code == FAILED:
            problem = _production_problem(environment, release, any_version=True)
            if problem:
                code, sentence = NEEDS_A_PERSON, f"{sentence}; rolled back, but {problem}"
        if first:
            environment.ecs.scale(0)
            sentence += "; its number of tasks was set to 0"
        if code == NEEDS_A_PERSON:
            report.state = state(environment)
        return Ending(code, sentence)
    return ending


def state(environment: Environment) -> list[str]:
    """Return a line for each colour: its traffic weights and the health of its targets."""
    balancer = environment.balancer
    production, test = balancer.production(), balancer.test()
    lines = []
    for colour in production:
        states = balancer.health(balancer.target_group(colour))
        health = ", ".join(states) or "no targets"
        lines.append(
            f"{colour}: {production[colour]:g} % of production, {test[colour]:g} % of test; {health}"
        )
    return lines


def _verify_deployed(
    environment: Environment, release: Release, report: Report, ending: Ending, first: bool
) -> Ending:
    # AWS does not document whether a first deployment pauses for our probe: the golden predictions may be unchecked yet.
    problem = (
        _production_problem(environment, release)
        or (first and _probe_problem(environment, release))
        or ""
    )
    if problem:
        if first:
            environment.ecs.scale(0)
            problem += "; its number of tasks was set to 0"
        report.state = state(environment)
        return Ending(NEEDS_A_PERSON, f"{ending.sentence}, but {problem}")
    report.note("proved", f"{environment.contract.production_url} answers with {release.name}")
    try:
        scaled = autoscaling.apply(
            environment.aws.client("application-autoscaling"),
            environment.config,
            environment.contract,
        )
    except aws.errors() as error:  # the version was verified all the same
        scaled = f"NOT SET: {aws.sentence(error)}"
    report.note("tasks", scaled)
    environment.records.add_passed(release.digest)
    report.note("image", environment.ecr.tag_as_served(release.digest))
    return Ending(DEPLOYED, f"{release.name} serves; {ending.sentence}")


def _production_problem(
    environment: Environment, release: Release, any_version: bool = False
) -> str:
    """Return the problem with production, its weights or the version that serves, or an empty string."""
    weights = environment.balancer.production()
    if max(weights.values()) < 100:
        shares = ", ".join(f"{colour} {weight:g} %" for colour, weight in weights.items())
        return f"production's traffic is divided: {shares}"
    probe = Probe(environment.config.probe, release)
    url = environment.contract.production_url
    wrong = failures(probe.ready(url) if any_version else probe.identity(url))
    return f"production does not answer as it should: {wrong}" if wrong else ""


def _probe_problem(environment: Environment, release: Release) -> str:
    probe = Probe(environment.config.probe, release, environment.api_key())
    wrong = failures(probe.version(environment.contract.production_url))
    return f"it did not pass: {wrong}" if wrong else ""


def _diagnose(environment: Environment, report: Report, sentence: str) -> str:
    """Return the sentence, after the cause if tasks stopped or could not be placed."""
    tasks = environment.ecs.stopped_tasks(report.deployment, report.task_definition)
    failed = [task for task in tasks if not _was_scaled_in(task)]
    found = diagnosis.causes(failed)
    lines = diagnosis.last_lines(environment.aws.client("logs"), environment.contract, failed)
    report.set_causes(found, lines)
    if found:
        return f"{found[0].sentence} ({sentence})"
    began = environment.ecs.deployment(report.deployment)["createdAt"]
    placement = diagnosis.placement(environment.ecs.service() or {}, began)
    return f"no capacity: {placement} ({sentence})" if placement else sentence


def _was_scaled_in(task: dict[str, object]) -> bool:
    """Return whether ECS stopped a task to scale in, and not because of a failed health check."""
    reason = str(task.get("stoppedReason", ""))
    return task.get("stopCode") == "ServiceSchedulerInitiated" and "health check" not in reason
