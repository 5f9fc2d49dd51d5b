"""Watch a service deployment to its end: poll, decide, act. rollout.py makes the decisions."""

from __future__ import annotations

import random
import time
from typing import Any, NamedTuple, Optional

from . import aws
from .environment import Environment
from .lock import Lock, LockedError
from .probe import Probe, failures
from .report import UNWATCHED, Report
from .rollout import NOT_OURS, Action, Kind, Look, Rollout

_PATIENCE_WITH_AWS = 300.0  # seconds without a response before we stop watching


class Ending(NamedTuple):
    """How a deployment ended for the deployer: its exit code and a sentence."""

    code: int
    sentence: str


class UnwatchedError(Exception):
    """We have to stop watching; the message has the reason."""


class RefusedOnceError(Exception):
    """ECS refused a continuation or a stop, for the first time."""


class Watcher:
    """Watches the service deployment of one task definition."""

    def __init__(
        self,
        environment: Environment,
        probe: Probe,
        lock: Lock,
        report: Report,
        first: bool,
    ) -> None:
        """Take a report that has the ARNs of the deployment and of its task definition."""
        self._environment, self._probe = environment, probe
        self._lock, self._report = lock, report
        seconds = 60 * environment.config.deadline_minutes
        self._rollout = Rollout(first, deadline=time.monotonic() + seconds, patience=seconds)
        self._reported: set[str] = set()
        self._stage = ""
        self._renewed = False
        self._refused: Optional[Action] = None  # the last one, unless it was accepted since
        self._answered_at = time.monotonic()

    def watch(self) -> Ending:
        """Watch the deployment; return how it ended, or why it is no longer watched."""
        while True:
            try:
                self._lock.renew()
                action = self._step()
            except UnwatchedError as why:
                return Ending(UNWATCHED, str(why))
            except LockedError as taken:
                return Ending(NOT_OURS, str(taken))
            except RefusedOnceError:
                self._sleep()
                continue
            except aws.errors() as error:
                ending = self._handle(error)
                if ending:
                    return ending
                continue
            self._answered_at, self._renewed = time.monotonic(), False
            if action.kind is Kind.END:
                return Ending(action.code, action.why)
            if action.kind is Kind.WAIT:
                self._sleep()

    def _step(self) -> Action:
        look, service = self._environment.ecs.look(
            self._report.deployment, self._report.task_definition
        )
        self._report_news(look, service)
        action = self._rollout.decide(look, time.monotonic())
        if action.kind is Kind.PROBE:
            self._run_probe(action)
        elif action.kind in (Kind.ANSWER, Kind.STOP):
            self._act(action)
            self._rollout = self._rollout.after_call(action, time.monotonic())
            self._refused = None
        return action

    def _run_probe(self, action: Action) -> None:
        contract = self._environment.contract
        if action.production:
            where, checks = "production", self._probe.production(contract.production_url)
        else:
            where, checks = "test", self._probe.version(contract.test_url)
        self._report.add_checks(where, checks, quiet=action.production)
        failure = failures(checks)
        failure = f"{where} did not pass: {failure}" if failure else ""
        self._rollout = self._rollout.after_probe(action, failure)
        if not action.hook:
            self._sleep()

    def _act(self, action: Action) -> None:
        ecs, arn = self._environment.ecs, self._report.deployment
        if action.kind is Kind.STOP:
            self._report.add_stage("ROLLBACK", f"asked for: {action.why}")
        else:
            self._report.add_stage("CONTINUE" if action.go_on else "ROLLBACK", action.why)
        try:
            if action.kind is Kind.STOP:
                ecs.stop(arn)
            else:
                ecs.answer(arn, action.hook, action.go_on)
        except aws.errors() as error:
            if aws.is_passing(error) or aws.is_expired(error) or self._refused == action:
                raise
            # It may have ended, or been continued, since the last poll: the next one shows that.
            self._refused = action
            raise RefusedOnceError from error

    def _report_news(self, look: Look, service: dict[str, Any]) -> None:
        stage = look.status if look.status != "IN_PROGRESS" else look.stage or look.status
        weight = f"{look.production_weight:g} % of production"
        key = f"{stage} {weight}"
        if key != self._stage:
            self._stage = key
            self._report.add_stage(stage, weight if look.production_weight else "")
        for event in reversed(service.get("events", [])[:20]):
            if event["id"] not in self._reported:
                self._reported.add(event["id"])
                self._report.print_event(event["message"], event["createdAt"])

    def _handle(self, error: Exception) -> Ending | None:
        """Return the ending, if this error ends the watch; else wait or renew the credentials."""
        if aws.is_passing(error):
            if time.monotonic() - self._answered_at < _PATIENCE_WITH_AWS:
                self._sleep()
                return None
        elif aws.is_expired(error) and not self._renewed:
            self._renewed = True
            self._environment.aws.renew()
            return None
        return Ending(UNWATCHED, aws.sentence(error))

    def _sleep(self) -> None:
        # Jitter, so that several deployers do not poll at the same moments.
        jitter = random.uniform(0.8, 1.2)  # nosec B311 # no secret
        time.sleep(self._environment.config.poll_seconds * jitter)
