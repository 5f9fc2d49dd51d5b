"""The life cycle of a task, from PROVISIONING to STOPPED, one step at a time.

Source: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-lifecycle-explanation.html
"""

from __future__ import annotations

import signal
import subprocess  # nosec B404 # only for its type
import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from . import processes
from .aws import Aws, region_of
from .balancer import Balancer
from .faults import Faults
from .launcher import CannotStartError, Launcher
from .log_shipping import LogShipper
from .records import Service, State, Task, add_event
from .routes import Routes, Target
from .sidecars import Sidecars

_SETTLE = 0.2  # seconds, after which a draining target gets no new request
_DRAIN = 10.0  # seconds to wait for requests in flight
_LAUNCHES = 2  # at the same time: each is a process that loads a model
_OOM_AFTER = 0.3  # seconds, after which a task with this fault is killed, while it starts


class Tasks:
    """Starts, watches and stops the processes of tasks. The engine calls `step` for each task in a loop."""

    def __init__(
        self,
        state: State,
        aws: Aws,
        launcher: Launcher,
        routes: Routes,
        balancer: Balancer,
        minute: float,
    ) -> None:
        """Take the emulator's parts, and the seconds of a minute of ECS, `minute`."""
        self._state, self._aws, self._launcher = state, aws, launcher
        self._routes, self._balancer = routes, balancer
        self._faults = Faults(state)
        self._shipper = LogShipper(aws)
        self._sidecars = Sidecars(state, launcher, minute / 60)
        self._pool = ThreadPoolExecutor(_LAUNCHES, "launch")
        self._launches: dict[str, Future[subprocess.Popen[bytes]]] = {}
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._targets: dict[str, Target] = {}

    def step(self, task: Task, service: Service) -> bool:
        """Advance a task by at most one state; return whether it has just failed."""
        handle = {
            "PROVISIONING": self._provision,
            "PENDING": self._await_launch,
            "RUNNING": self._watch,
            "DEACTIVATING": self._drain,
            "STOPPING": self._await_end,
        }[task.status]
        failed = handle(task, service, time.time())
        self._shipper.ship(task, self._launcher.log(task))
        return failed

    def stop(self, task: Task, code: str, reason: str) -> None:
        """Mark a task to be stopped by its next steps; `code` is its stopCode, `reason` its stoppedReason."""
        if task.desired_status != "STOPPED":
            task.desired_status = "STOPPED"
            task.stop_code, task.stopped_reason = code, reason

    def restore(self) -> None:
        """Kill the processes of the last run's tasks after a restart, and ship their logs again."""
        for task in self._state.tasks.values():
            if task.alive:
                self._launcher.kill(task)
                task.desired_status = "STOPPED"
                task.stop_code = "InfrastructureHealth"
                task.stopped_reason = "The emulator was restarted."
                self._stopped(task, time.time())
            if task.log:
                self._shipper.restore(task, self._launcher.log(task))

    def end_all(self) -> None:
        """Kill all tasks before the emulator ends."""
        self._pool.shutdown(cancel_futures=True)
        for task in self._state.tasks.values():
            launch = self._launches.pop(task.arn, None)
            if launch and not launch.cancelled() and not launch.exception():
                task.process = processes.identity(launch.result().pid)
            if task.alive:
                self._launcher.kill(task)

    def _provision(self, task: Task, service: Service, _now: float) -> bool:
        if task.desired_status == "STOPPED":
            return self._stopped(task, time.time())
        ecs = self._aws.client("ecs", region_of(task.arn))
        found = ecs.describe_task_definition(taskDefinition=task.task_definition)["taskDefinition"]
        container = _essential(found, task.container)
        task.container, task.image = container["name"], container["image"]
        task.stop_timeout = float(container.get("stopTimeout", 30))
        task.log = _log(container, task.id)
        task.fault = self._faults.of_task()
        task.port = processes.free_port()
        task.status = "PENDING"
        self._launches[task.arn] = self._pool.submit(self._launch, task, found, container)
        return False

    def _launch(
        self, task: Task, definition: dict[str, Any], container: dict[str, Any]
    ) -> subprocess.Popen[bytes]:
        process = self._launcher.launch(task, definition, container)
        # Saved at once: a kill in the next moment must not leave an unknown process.
        with self._state.lock:
            task.process = processes.identity(process.pid)
            self._state.save()
        self._sidecars.start(task, definition)
        return process

    def _await_launch(self, task: Task, service: Service, now: float) -> bool:
        launch = self._launches[task.arn]
        if not launch.done():
            return False
        del self._launches[task.arn]
        try:
            self._running[task.arn] = launch.result()
        except (CannotStartError, OSError, ValueError) as error:
            self._launcher.kill(task)
            self._sidecars.forget(task)
            return self._ended(task, "TaskFailedToStart", str(error), now)
        task.status, task.started = "RUNNING", now
        if task.target_group:
            self._register(task, service)
        return False

    def _register(self, task: Task, service: Service) -> None:
        elbv2 = self._aws.client("elbv2", region_of(task.arn))
        group = elbv2.describe_target_groups(TargetGroupArns=[task.target_group])["TargetGroups"][0]
        path = group.get("HealthCheckPath") or "/"
        codes = group.get("Matcher", {}).get("HttpCode") or "200"
        target = self._targets[task.arn] = Target(task.port, path, codes)
        self._routes.register(task.target_group, target)
        self._balancer.watch(target)
        add_event(service, f"registered 1 targets in (target-group {task.target_group})")

    def _watch(self, task: Task, service: Service, now: float) -> bool:
        target = self._targets.get(task.arn)
        task.healthy = target is None or target.state == "healthy"
        started = task.started or now
        if task.fault == "oom" and now - started > _OOM_AFTER:
            self._launcher.kill(task)
        if self._running[task.arn].poll() is not None:
            return self._exited(task, now)
        if task.desired_status == "STOPPED":
            task.status, task.stopping, task.healthy = "DEACTIVATING", now, False
            if target:
                target.state = "draining"
                add_event(service, "has begun draining connections on 1 tasks.")
        elif not task.healthy and now - started > service.grace:
            group = task.target_group
            where = f"(port {task.port}) is unhealthy in (target-group {group})"
            add_event(service, f"{where} due to (reason Health checks failed).")
            reason = f"Task failed ELB health checks in (target-group {group})"
            self.stop(task, "ServiceSchedulerInitiated", reason)
            return True
        else:
            self._sidecars.watch(task)
        return False

    def _drain(self, task: Task, _service: Service, now: float) -> bool:
        target = self._targets.get(task.arn)
        waited = now - (task.stopping or now)
        if target and (waited < _SETTLE or (target.in_flight and waited < _DRAIN)):
            return False
        processes.send(task.process, signal.SIGTERM)
        self._sidecars.terminate(task)
        task.status, task.signalled = "STOPPING", now
        return False

    def _await_end(self, task: Task, _service: Service, now: float) -> bool:
        if now - (task.signalled or now) > task.stop_timeout:
            self._launcher.kill(task)
        if self._running[task.arn].poll() is not None:
            return self._exited(task, now)
        return False

    def _exited(self, task: Task, now: float) -> bool:
        code = self._running[task.arn].returncode
        task.exit_code = 128 - code if code < 0 else code
        if task.fault == "oom":
            task.reason = "OutOfMemoryError: Container killed due to memory usage"
            return self._ended(task, "EssentialContainerExited", task.reason, now)
        return self._ended(
            task, "EssentialContainerExited", "Essential container in task exited", now
        )

    def _ended(self, task: Task, code: str, reason: str, now: float) -> bool:
        """Stop a task for this reason, unless it is being stopped for another; return whether it has failed."""
        failed = task.desired_status == "RUNNING"
        self.stop(task, code, reason)
        if not self._sidecars.any_running(task):
            self._stopped(task, now)
        elif task.status != "STOPPING":
            self._leave(task)
            self._sidecars.terminate(task)
            task.status, task.signalled = "STOPPING", now
        return failed

    def _leave(self, task: Task) -> None:
        """Remove the task's target, if it has one, from its group."""
        target = self._targets.pop(task.arn, None)
        if target:
            self._routes.deregister(task.target_group, target)
            self._balancer.forget(target)

    def _stopped(self, task: Task, now: float) -> bool:
        self._leave(task)
        self._running.pop(task.arn, None)
        self._sidecars.forget(task)
        self._launcher.forget(task)
        task.status, task.stopped, task.healthy = "STOPPED", now, False
        return False


def _essential(definition: dict[str, Any], name: str) -> dict[str, Any]:
    """Return the container `name`, to which the load balancer sends requests, or else the first."""
    containers: list[dict[str, Any]] = definition["containerDefinitions"]
    return next((one for one in containers if one["name"] == name), containers[0])


def _log(container: dict[str, Any], task: str) -> dict[str, str]:
    options = (container.get("logConfiguration") or {}).get("options") or {}
    if "awslogs-group" not in options:
        return {}
    prefix = options.get("awslogs-stream-prefix", "ecs")
    return {"group": options["awslogs-group"], "stream": f"{prefix}/{container['name']}/{task}"}
