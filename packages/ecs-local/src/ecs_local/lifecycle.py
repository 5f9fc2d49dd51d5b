"""The life cycle of a deployment. All its state is in its record, so a restart continues from there.

Sources: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/blue-green-deployment-how-it-works.html,
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/pause-lifecycle-hooks.html and
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-deployment.html
"""

from __future__ import annotations

import time
import uuid

from .alarms import active_alarms
from .aws import Aws
from .faults import Faults
from .plan import Step, hook_at, plan_of, stage, stages_so_far
from .records import (
    Deployment,
    Hook,
    Service,
    State,
    add_event,
    deployment_id,
    waiting_hook,
)
from .traffic import Traffic
from .worlds import ALARMS_AT_START, HOOKS_ON_FIRST, Worlds

VISIBLE = 0.2  # the minimum seconds of a stage or status, for clients that poll
_BREAKER = "Service deployment rolled back because the circuit breaker threshold was exceeded."
_NOTHING_BEFORE = "A rollback needs an earlier completed deployment, and there is none."


class Lifecycle:
    """Advances deployments. `minute` is how many seconds a minute of ECS takes."""

    def __init__(
        self, state: State, aws: Aws, traffic: Traffic, worlds: Worlds, minute: float
    ) -> None:
        self._state, self._aws, self._traffic, self._minute = state, aws, traffic, minute
        self._worlds = worlds
        self._faults = Faults(state)

    def advance(self, service: Service, deployment: Deployment) -> None:
        """Advance a deployment in flight by at most one step."""
        handle = {
            "PENDING": self._begin,
            "IN_PROGRESS": self._go_on,
            "STOP_REQUESTED": self._end_stopped,
            "ROLLBACK_REQUESTED": self._begin_rollback,
            "ROLLBACK_IN_PROGRESS": self._roll_back,
        }[deployment.status]
        handle(service, deployment, time.time())

    def ignored_alarms(self, service: Service) -> list[str]:
        """Return the names of the alarms that a deployment that starts now ignores."""
        if self._worlds.is_chosen(ALARMS_AT_START, "watched"):
            return []
        return active_alarms(self._aws, service.configuration, service.arn)

    def restore(self, service: Service, deployment: Deployment) -> None:
        """Apply the weights again after a restart: a kill may have come between the record of a stage and its weights."""
        if deployment.status in ("IN_PROGRESS", "ROLLBACK_IN_PROGRESS"):
            self._traffic.apply(service, deployment)

    def fail(self, service: Service, deployment: Deployment, reason: str) -> None:
        """Roll the deployment back, or stop it where there is no earlier revision."""
        hook = waiting_hook(deployment)
        if hook:
            hook.status = "FAILED"
        if not deployment.source:
            self.stop(deployment, f"{reason} {_NOTHING_BEFORE}")
            add_event(
                service, f"(deployment {deployment_id(deployment)}) deployment failed: {reason}"
            )
            return
        deployment.rollback = {
            "reason": reason,
            "startedAt": time.time(),
            "serviceRevisionArn": deployment.source,
        }
        add_event(service, f"(deployment {deployment_id(deployment)}) deployment failed: {reason}")
        _change(deployment, "ROLLBACK_REQUESTED", reason)

    def stop(self, deployment: Deployment, reason: str) -> None:
        """Stop a deployment in its present stage; its tasks and weights stay."""
        deployment.aborted = True
        _change(deployment, "STOP_REQUESTED", reason)

    def supersede(self, service: Service, deployment: Deployment) -> None:
        """Stop a deployment because the next one begins."""
        if stage(deployment) == "CLEAN_UP" and deployment.status == "IN_PROGRESS":
            self._succeed(service, deployment, time.time())  # all traffic goes to its revision
        else:
            reason = "Service deployment stopped because a newer one of the service began."
            _change(deployment, "STOP_REQUESTED", reason)

    def failed_task(self, service: Service, deployment: Deployment) -> None:
        """Count a failed task of the new revision, and trigger the circuit breaker at the threshold.

        The count is never reset; by ECS' default a healthy task resets it (`resetOnHealthyTask` in botocore's model).
        Source: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-circuit-breaker.html
        """
        breaker = deployment.configuration.get("deploymentCircuitBreaker", {})
        if deployment.status != "IN_PROGRESS":
            return
        deployment.failures += 1
        if breaker.get("enable") and deployment.failures >= deployment.threshold:
            deployment.breaker = "TRIGGERED"
            if breaker["rollback"]:
                self.fail(service, deployment, _BREAKER)
            else:
                self.stop(deployment, "The circuit breaker threshold was exceeded.")

    def _begin(self, service: Service, deployment: Deployment, now: float) -> None:
        others = (self._state.deployments[arn] for arn in service.deployments[:-1])
        if now - deployment.since > VISIBLE and not any(other.in_flight for other in others):
            deployment.status, deployment.started = "IN_PROGRESS", now
            self._enter(service, deployment, 0)

    def _go_on(self, service: Service, deployment: Deployment, now: float) -> None:
        plan = plan_of(deployment)
        step = plan[deployment.position]
        alarms = self._triggered(deployment)
        if alarms:
            deployment.alarms, deployment.triggered = "TRIGGERED", alarms
            reason = (
                f"Service deployment rolled back because of CloudWatch alarms: {', '.join(alarms)}"
            )
            if deployment.configuration["alarms"]["rollback"]:
                self.fail(service, deployment, reason)
            else:
                self.stop(deployment, reason)
        elif step.stage == "PRODUCTION_TRAFFIC_SHIFT" and self._faults.strikes(
            "invalid-networking"
        ):
            reason = "invalid networking configuration"
            self.fail(service, deployment, f"Service deployment rolled back because of {reason}.")
        elif self._hook_passed(service, deployment, now) and self._done(
            service, deployment, step, now
        ):
            if deployment.position + 1 < len(plan):
                self._enter(service, deployment, deployment.position + 1)
            else:
                self._succeed(service, deployment, now)

    def _enter(self, service: Service, deployment: Deployment, position: int) -> None:
        step = plan_of(deployment)[position]
        now = time.time()
        deployment.position, deployment.since, deployment.updated = position, now, now
        if step.stage == "TEST_TRAFFIC_SHIFT":
            deployment.tested = True
        if step.stage == "PRODUCTION_TRAFFIC_SHIFT":
            deployment.percent = step.percent
        if step.stage.endswith("TRAFFIC_SHIFT") or step.stage == "RECONCILE_SERVICE":
            self._traffic.apply(service, deployment)
        hook = hook_at(deployment.configuration, step.stage)
        if hook and (deployment.source or self._worlds.is_chosen(HOOKS_ON_FIRST, "run")):
            timeout = hook.get("timeoutConfiguration", {})
            minutes = timeout.get("timeoutInMinutes", 1440)
            action = timeout.get("action", "ROLLBACK")
            expires = now + minutes * self._minute
            deployment.hooks.append(Hook(str(uuid.uuid4()), position, expires, action))

    def _hook_passed(self, service: Service, deployment: Deployment, now: float) -> bool:
        hook = waiting_hook(deployment)
        if hook is None:
            return True
        if now < hook.expires:
            return False
        hook.status = "TIMED_OUT"
        if hook.timeout_action == "ROLLBACK":
            reason = "Service deployment rolled back because a lifecycle hook timed out."
            self.fail(service, deployment, reason)
        return hook.timeout_action == "CONTINUE"

    def _done(self, service: Service, deployment: Deployment, step: Step, now: float) -> bool:
        if now - deployment.since < max(VISIBLE, step.minutes * self._minute):
            return False
        if self._faults.hangs(step.stage):
            return False
        tasks = self._state.tasks_of(service)
        healthy = [task for task in tasks if task.revision == deployment.target and task.healthy]
        # In later stages, too: failed tasks are replaced before the deployment continues.
        if "SCALE_UP" in stages_so_far(deployment) and len(healthy) < service.desired:
            return False
        if step.stage == "RECONCILE_SERVICE":
            return all(task.revision == deployment.source for task in tasks)
        if step.stage == "CLEAN_UP":
            return all(task.revision == deployment.target for task in tasks)
        return True

    def _succeed(self, service: Service, deployment: Deployment, now: float) -> None:
        service.completed = deployment.target
        deployment.finished = now
        _change(deployment, "SUCCESSFUL", "")
        _end_monitors(deployment)
        add_event(service, f"(deployment {deployment_id(deployment)}) deployment completed.")

    def _begin_rollback(self, service: Service, deployment: Deployment, now: float) -> None:
        if now - deployment.since < VISIBLE:
            return
        if self._faults.strikes("rollback-fails"):
            deployment.finished = now
            reason = "The rollback failed: the listener rules could not be modified."
            _change(deployment, "ROLLBACK_FAILED", reason)
            return
        deployment.percent, deployment.tested = 0.0, False
        self._traffic.apply(service, deployment)
        _change(deployment, "ROLLBACK_IN_PROGRESS", deployment.reason)

    def _roll_back(self, service: Service, deployment: Deployment, now: float) -> None:
        tasks = self._state.tasks_of(service)
        healthy = [task for task in tasks if task.revision == deployment.source and task.healthy]
        gone = all(task.revision == deployment.source for task in tasks)
        if now - deployment.since > VISIBLE and gone and len(healthy) >= service.desired:
            service.revision, deployment.finished = deployment.source, now
            _change(deployment, "ROLLBACK_SUCCESSFUL", deployment.reason)
            _end_monitors(deployment)

    def _end_stopped(self, _service: Service, deployment: Deployment, now: float) -> None:
        if now - deployment.since > VISIBLE:
            deployment.stopped = deployment.finished = now
            _change(deployment, "STOPPED", deployment.reason)
            _end_monitors(deployment)

    def _triggered(self, deployment: Deployment) -> list[str]:
        """Return the names of the active alarms, from the first production traffic shift to the end of the bake time."""
        stages = stages_so_far(deployment)
        if "PRODUCTION_TRAFFIC_SHIFT" not in stages or stages[-1] == "CLEAN_UP":
            return []
        names = active_alarms(self._aws, deployment.configuration, deployment.arn)
        return [name for name in names if name not in deployment.ignored_alarms]


def _change(deployment: Deployment, status: str, reason: str) -> None:
    now = time.time()
    deployment.status, deployment.reason = status, reason
    deployment.since = deployment.updated = now


def _end_monitors(deployment: Deployment) -> None:
    if deployment.breaker == "MONITORING":
        deployment.breaker = "MONITORING_COMPLETE"
    if deployment.alarms == "MONITORING":
        deployment.alarms = "MONITORING_COMPLETE"
