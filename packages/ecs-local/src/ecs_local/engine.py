"""The main loop: it advances tasks and deployments, keeps the number of tasks, and reads the balancer's rules."""

from __future__ import annotations

import sys
import threading
import time
import traceback

from . import settings
from .aws import Aws
from .balancer import Balancer
from .lifecycle import Lifecycle
from .records import Service, State
from .routes import Routes, read_rules
from .scheduler import Scheduler
from .tasks import Tasks

_EVERY = 0.05  # seconds between two ticks
# Seconds for which ECS lists a stopped task, at least:
# https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DescribeTasks.html
_KEPT = 3600


class Engine:
    """Runs `tick` on a thread of its own."""

    def __init__(
        self,
        state: State,
        aws: Aws,
        tasks: Tasks,
        scheduler: Scheduler,
        lifecycle: Lifecycle,
        routes: Routes,
        balancer: Balancer,
    ) -> None:
        self._state, self._aws, self._tasks = state, aws, tasks
        self._scheduler, self._lifecycle = scheduler, lifecycle
        self._routes, self._balancer = routes, balancer
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)

    def start(self) -> None:
        """Restore the state of the last run, then start the loop."""
        with self._state.lock:
            self._tasks.restore()
            for deployment in self._state.deployments.values():
                self._lifecycle.restore(self._state.services[deployment.service], deployment)
            self._state.save()
        self._thread.start()

    def end(self) -> None:
        """Stop the loop and kill all tasks."""
        self._ended.set()
        self._thread.join()
        self._tasks.end_all()

    def tick(self) -> None:
        """Advance everything by at most one step, without waiting."""
        for task in list(self._state.tasks.values()):
            if task.alive and self._tasks.step(task, self._state.services[task.service]):
                self._failed(task.service, task.revision)
            elif task.healthy:
                self._state.revisions[task.revision].failed_in_row = 0
        for service in self._state.services.values():
            if service.status != "INACTIVE":
                self._advance(service)
        self._forget_old_tasks()
        if self._aws.balancers_changed:
            self._aws.balancers_changed = False
            self._routes.rules = read_rules(self._aws.client("elbv2", settings.region()))
            self._balancer.listen(self._routes.rules)
        self._state.save()

    def _run(self) -> None:
        while not self._ended.wait(_EVERY):
            try:
                with self._state.lock:
                    self.tick()
            except Exception:  # one invalid record must not stop the loop
                traceback.print_exc(file=sys.stderr)

    def _advance(self, service: Service) -> None:
        for arn in service.deployments:
            deployment = self._state.deployments[arn]
            if deployment.in_flight:
                self._lifecycle.advance(service, deployment)
        self._scheduler.keep(service)
        if service.status == "DRAINING" and not self._state.tasks_of(service):
            service.status = "INACTIVE"

    def _failed(self, service_arn: str, revision: str) -> None:
        service = self._state.services[service_arn]
        self._scheduler.failed(self._state.revisions[revision])
        deployment = self._state.deployment_of(service)
        if deployment and deployment.target == revision:
            self._lifecycle.failed_task(service, deployment)

    def _forget_old_tasks(self) -> None:
        oldest = time.time() - _KEPT
        for task in list(self._state.tasks.values()):
            if task.stopped is not None and task.stopped < oldest:
                del self._state.tasks[task.arn]
