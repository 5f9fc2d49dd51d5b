"""Keep the desired number of tasks of each revision."""

from __future__ import annotations

import math
import time
import uuid
from typing import Optional

from .faults import Faults
from .plan import stages_so_far
from .records import Deployment, Revision, Service, State, Task, add_event, deployment_id
from .tasks import Tasks

_RETRY = 0.1  # seconds that a new task waits after a failure, twice as long after each further one in a row
_DOUBLINGS = 5  # at most
_NO_CAPACITY = (
    "was unable to place a task. Reason: Capacity is unavailable at this time. Please try again later"
    " or in a different availability zone."
)


class Scheduler:
    """Starts and stops tasks of services."""

    def __init__(self, state: State, tasks: Tasks) -> None:
        self._state, self._tasks = state, tasks
        self._faults = Faults(state)

    def keep(self, service: Service) -> None:
        """Start missing tasks and stop surplus ones."""
        deployment = self._state.deployment_of(service)
        counts = wanted(service, deployment)
        for revision in self._revisions(service):
            there = [
                task
                for task in self._state.tasks_of(service, revision)
                if task.desired_status == "RUNNING"
            ]
            there.sort(key=lambda task: not task.healthy)
            # While the desired numbers are not known yet, the tasks stay.
            count = counts.get(revision, 0) if counts is not None else len(there)
            for task in there[count:]:
                number = deployment_id(deployment) if deployment else service.name
                reason = f"Scaling activity initiated by (deployment {number})"
                self._tasks.stop(task, "ServiceSchedulerInitiated", reason)
                add_event(service, f"has stopped 1 running tasks: (task {task.id}).")
            for _ in range(count - len(there)):
                if deployment and not self._start(
                    service, self._state.revisions[revision], deployment
                ):
                    break
        self._report_steady(service, deployment)

    def failed(self, revision: Revision) -> None:
        """Delay the next task of this revision, with exponential back-off."""
        wait = _RETRY * 2 ** min(revision.failed_in_row, _DOUBLINGS)
        revision.failed_in_row += 1
        revision.not_before = time.time() + wait

    def _revisions(self, service: Service) -> list[str]:
        """Return the ARNs of the revisions that have tasks or should have some."""
        found = {task.revision for task in self._state.tasks_of(service)}
        deployment = self._state.deployment_of(service)
        if deployment:
            found |= {deployment.source, deployment.target} - {""}
        return sorted(found)

    def _start(self, service: Service, revision: Revision, deployment: Deployment) -> bool:
        now = time.time()
        if now < revision.not_before:
            return False
        if self._faults.lacks_capacity():
            add_event(service, _NO_CAPACITY)
            revision.not_before = now + _RETRY
            return False
        number = uuid.uuid4().hex
        cluster = service.cluster.rpartition("/")[2]
        balancer = service.load_balancers[0] if service.load_balancers else {}
        task = Task(
            id=number,
            arn=f"{service.arn.rpartition(':')[0]}:task/{cluster}/{number}",
            service=service.arn,
            cluster=service.cluster,
            revision=revision.arn,
            deployment=deployment_id(deployment),
            task_definition=revision.task_definition,
            created=now,
            target_group=revision.target_group,
            container=balancer.get("containerName", ""),
        )
        self._state.tasks[task.arn] = task
        add_event(service, f"has started 1 tasks: (task {number}).")
        return True

    def _report_steady(self, service: Service, deployment: Optional[Deployment]) -> None:
        tasks = self._state.tasks_of(service)
        healthy = [task for task in tasks if task.healthy and task.desired_status == "RUNNING"]
        in_flight = deployment is not None and deployment.in_flight
        steady = not in_flight and len(tasks) == len(healthy) == service.desired
        if steady and not service.steady:
            add_event(service, "has reached a steady state.")
        service.steady = steady


def wanted(service: Service, deployment: Optional[Deployment]) -> Optional[dict[str, int]]:
    """Return the desired number of tasks by revision ARN; None: leave the tasks as they are."""
    if service.status != "ACTIVE" or deployment is None:
        return {}
    desired, source, target = service.desired, deployment.source, deployment.target
    if deployment.status == "PENDING":
        return None
    if deployment.status in ("ROLLBACK_IN_PROGRESS", "ROLLBACK_SUCCESSFUL"):
        return {source: desired}
    if deployment.status == "SUCCESSFUL":
        return {target: desired}
    if deployment.status in ("STOPPED", "ROLLBACK_FAILED"):
        return {source: desired, target: desired if deployment.percent else 0}
    stages = stages_so_far(deployment)
    return {
        source: 0 if stages[-1] == "CLEAN_UP" else desired,
        target: desired if "SCALE_UP" in stages else 0,
    }


def threshold(desired: int) -> int:
    """Return how many failed tasks trigger the circuit breaker: half of the desired ones, 3 to 200.

    Source: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ServiceDeploymentCircuitBreaker.html
    """
    return min(max(3, math.ceil(desired / 2)), 200)
