"""The state machine of a rollout: from the state of ECS to the next action. It uses neither AWS nor the clock.

    look ──> decide ──> WAIT          poll again
                   ├──> PROBE         probe the new version (or production), then `after_probe` with the result
                   ├──> ANSWER        continue the paused deployment, or have it rolled back
                   ├──> STOP          have ECS roll back: the probe of production failed, or the deadline is over
                   └──> END           with the exit code and the sentence of the outcome

Statuses and stages: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ServiceDeployment.html and
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/blue-green-deployment-how-it-works.html
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Optional

DEPLOYED, FAILED, NEEDS_A_PERSON, NOT_OURS = 0, 3, 4, 5

_FINAL = ("SUCCESSFUL", "STOPPED", "ROLLBACK_SUCCESSFUL", "ROLLBACK_FAILED")
_ROLLING_BACK = ("STOP_REQUESTED", "ROLLBACK_REQUESTED", "ROLLBACK_IN_PROGRESS")
# In these stages all production traffic goes to the new version.
_BAKING = ("POST_PRODUCTION_TRAFFIC_SHIFT", "BAKE_TIME")
_BEFORE_A_STEP = "PRE_PRODUCTION_TRAFFIC_SHIFT"

_FIRST = "it is the first deployment, so there is no version to roll back to"
_SUPERSEDED = "a later deployment has taken the place of this one"


@dataclass(frozen=True)
class Look:
    """The state of the service deployment, as ECS describes it."""

    status: str
    stage: str = ""
    hook: str = ""  # id of the PAUSE hook that awaits an action
    reason: str = ""
    is_ours: bool = True  # the service's task definition is the requested one
    superseded: bool = False  # a later service deployment exists
    alarms: tuple[str, ...] = ()  # those that were triggered
    production_weight: float = 0.0  # of the new revision, percent

    @property
    def is_final(self) -> bool:
        """Return whether the deployment has ended."""
        return self.status in _FINAL


class Kind(Enum):
    """The kinds of actions."""

    WAIT = "wait"
    PROBE = "probe"
    ANSWER = "answer"
    STOP = "stop"
    END = "end"


@dataclass(frozen=True)
class Action:
    """The next action, with its parameters."""

    kind: Kind
    hook: str = ""  # PROBE and ANSWER
    production: bool = False  # PROBE: production's limits; else everything, on the test listener
    go_on: bool = False  # ANSWER
    code: int = 0  # END: the exit code
    why: str = ""  # ANSWER, STOP and END


@dataclass(frozen=True)
class Rollout:
    """The request, and the decisions so far."""

    first: bool  # no version has ever been deployed: there is nothing to roll back to
    deadline: float  # seconds of a monotonic clock, after which it counts as stuck
    patience: float  # seconds that a requested rollback may take
    hook_results: dict[str, str] = field(default_factory=dict)  # the failure, "" for passed
    answered: frozenset[str] = frozenset()
    failure: str = ""  # why we rolled it back
    stopped_at: Optional[float] = None

    def decide(self, look: Look, now: float) -> Action:
        """Return the next action for `look` at the time `now`, in seconds of the deadline's clock."""
        if look.is_final:
            return self._end(look)
        if look.superseded:
            return Action(Kind.END, code=NOT_OURS, why=_SUPERSEDED)
        since = self.deadline if self.stopped_at is None else self.stopped_at
        if now > since + self.patience:
            failure = self.failure or "by itself"
            why = f"ECS is still {look.status} {self.patience:.0f} s after it began to roll back ({failure})"
            return Action(Kind.END, code=NEEDS_A_PERSON, why=why)
        if self.stopped_at is not None or look.status in _ROLLING_BACK:
            return Action(Kind.WAIT)
        if self.failure:
            return self._stop(self.failure)
        if now > self.deadline:
            return self._stop(f"the deadline was over in {look.stage or look.status}")
        if look.hook and look.hook not in self.answered:
            return self._paused(look)
        if look.stage in _BAKING:
            return Action(Kind.PROBE, production=True)
        return Action(Kind.WAIT)

    def after_probe(self, action: Action, failure: str) -> Rollout:
        """Return the rollout after the probe of `action`; `failure` is empty where it passed."""
        if action.hook:
            return replace(self, hook_results={**self.hook_results, action.hook: failure})
        return replace(self, failure=self.failure or failure)

    def after_call(self, action: Action, now: float) -> Rollout:
        """Return the rollout after ECS has accepted the ANSWER or STOP of `action`."""
        if action.kind is Kind.ANSWER and action.go_on:
            return replace(self, answered=self.answered | {action.hook})
        answered = self.answered | {action.hook} if action.hook else self.answered
        return replace(self, answered=answered, failure=action.why, stopped_at=now)

    def _stop(self, why: str) -> Action:
        if self.first:
            return Action(Kind.END, code=NEEDS_A_PERSON, why=f"{why}; {_FIRST}")
        return Action(Kind.STOP, why=why)

    def _paused(self, look: Look) -> Action:
        if look.hook not in self.hook_results:
            production = look.stage == _BEFORE_A_STEP and look.production_weight > 0
            return Action(Kind.PROBE, hook=look.hook, production=production)
        failure = self.hook_results[look.hook]
        return Action(Kind.ANSWER, hook=look.hook, go_on=not failure, why=failure)

    def _end(self, look: Look) -> Action:
        why = self.failure or _cause(look)
        if look.status == "SUCCESSFUL" and look.is_ours:
            return Action(Kind.END, code=DEPLOYED, why="ECS has completed the deployment")
        if look.superseded and not self.failure:
            return Action(Kind.END, code=NOT_OURS, why=_SUPERSEDED)
        if look.status == "SUCCESSFUL":  # stable, but with another task definition
            why = "the service is stable with another task definition than this deployment's"
            return Action(Kind.END, code=NOT_OURS, why=why)
        if look.status == "ROLLBACK_SUCCESSFUL" and not self.first:
            return Action(Kind.END, code=FAILED, why=why)
        if look.status == "ROLLBACK_FAILED":
            return Action(Kind.END, code=NEEDS_A_PERSON, why=f"{why}; and the rollback failed")
        if self.first:
            why = f"{why}; {_FIRST}"
        elif look.status == "STOPPED":
            why = f"{why}; it was stopped without a rollback"
        return Action(Kind.END, code=NEEDS_A_PERSON, why=why)


def _cause(look: Look) -> str:
    if look.alarms:
        return f"alarms went off: {', '.join(look.alarms)}"
    return look.reason or f"ECS ended it as {look.status}"
