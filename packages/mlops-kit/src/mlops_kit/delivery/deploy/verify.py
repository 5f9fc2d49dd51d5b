"""Prove what serves after a deployment, and find out why where it is not what was wanted."""

from __future__ import annotations

from . import autoscaling, aws, diagnosis
from .environment import Environment
from .probe import Probe, failures
from .release import Release
from .report import Report
from .rollout import DEPLOYED, FAILED, NEEDS_A_PERSON
from .watch import Ending


def of(
    environment: Environment, release: Release, report: Report, ending: Ending, first: bool
) -> Ending:
    """Return `ending` if what serves now fits it, else how it really ended.

    "Stable after a rollback" reported as a success is the most common fault of deployers: so the version that
    answers in production is asked, whatever ECS says.
    """
    if ending.code == DEPLOYED:
        return _deployed(environment, release, report, ending, first)
    if ending.code in (FAILED, NEEDS_A_PERSON):
        sentence = _diagnosed(environment, report, ending.sentence)
        code = ending.code
        if code == FAILED:
            problem = _production(environment, release, whoever=True)
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
    """Return in lines where traffic goes and how the targets feel."""
    balancer = environment.balancer
    production, test = balancer.production(), balancer.test()
    lines = []
    for colour in production:
        states = balancer.health(balancer.target_group(colour))
        feel = ", ".join(states) or "no targets"
        lines.append(
            f"{colour}: {production[colour]:g} % of production, {test[colour]:g} % of test; {feel}"
        )
    return lines


def _deployed(
    environment: Environment, release: Release, report: Report, ending: Ending, first: bool
) -> Ending:
    # AWS leaves open whether a first deployment pauses for our verdict: so the golden predictions may not be proved yet.
    problem = _production(environment, release) or (first and _first(environment, release)) or ""
    if problem:
        if first:
            environment.ecs.scale(0)
            problem += "; its number of tasks was set to 0"
        report.state = state(environment)
        return Ending(NEEDS_A_PERSON, f"{ending.sentence}, but {problem}")
    report.told("proved", f"{environment.contract.production_url} answers with {release.name}")
    try:
        scaled = autoscaling.apply(
            environment.aws.client("application-autoscaling"),
            environment.config,
            environment.contract,
        )
    except aws.errors() as error:  # what serves was proved right all the same
        scaled = f"NOT SET: {aws.sentence(error)}"
    report.told("tasks", scaled)
    environment.records.add_passed(release.digest)
    report.told("image", environment.ecr.tag_as_served(release.digest))
    return Ending(DEPLOYED, f"{release.name} serves; {ending.sentence}")


def _production(environment: Environment, release: Release, whoever: bool = False) -> str:
    """Return what is wrong with production: its weights, or who answers there (`whoever`: that anybody does)."""
    weights = environment.balancer.production()
    if max(weights.values()) < 100:
        told = ", ".join(f"{colour} {weight:g} %" for colour, weight in weights.items())
        return f"production's traffic is divided: {told}"
    probe = Probe(environment.config.probe, release)
    url = environment.contract.production_url
    wrong = failures(probe.ready(url) if whoever else probe.identity(url))
    return f"production does not answer as it should: {wrong}" if wrong else ""


def _first(environment: Environment, release: Release) -> str:
    probe = Probe(environment.config.probe, release, environment.api_key())
    wrong = failures(probe.version(environment.contract.production_url))
    return f"it did not pass: {wrong}" if wrong else ""


def _diagnosed(environment: Environment, report: Report, sentence: str) -> str:
    """Return the sentence with why tasks stopped, if any did."""
    tasks = environment.ecs.stopped_tasks(report.deployment, report.task_definition)
    ill = [task for task in tasks if not _was_asked_to(task)]
    found = diagnosis.causes(ill)
    lines = diagnosis.last_lines(environment.aws.client("logs"), environment.contract, ill)
    report.caused(found, lines)
    if found:
        return f"{found[0].sentence} ({sentence})"
    placement = diagnosis.placement(environment.ecs.service() or {})
    return f"no capacity: {placement} ({sentence})" if placement else sentence


def _was_asked_to(task: dict[str, object]) -> bool:
    """Whether ECS ended a task because its deployment was over."""
    reason = str(task.get("stoppedReason", ""))
    return task.get("stopCode") == "ServiceSchedulerInitiated" and "health check" not in reason
