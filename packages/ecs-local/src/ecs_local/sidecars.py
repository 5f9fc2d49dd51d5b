"""Sidecars: the containers of a task that are not essential. The task goes on when they end."""

from __future__ import annotations

import signal
import subprocess  # nosec B404 # only for its type
import time
from typing import Any

from . import processes
from .launcher import Launcher
from .records import State, Task

# Seconds that a container has to run before it is restarted, unless its policy sets another number:
# https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ContainerRestartPolicy.html
_PERIOD = 300.0


class Sidecars:
    """Starts sidecars after the essential container, and restarts them by their restart policy."""

    def __init__(self, state: State, launcher: Launcher, second: float) -> None:
        """Take the real seconds of a second of ECS, `second`."""
        self._state, self._launcher, self._second = state, launcher, second
        self._running: dict[str, dict[str, subprocess.Popen[bytes]]] = {}
        self._definitions: dict[str, dict[str, Any]] = {}
        self._started: dict[tuple[str, str], float] = {}

    def start(self, task: Task, definition: dict[str, Any]) -> None:
        """Start all sidecars of a task.

        Raises:
            CannotStartError: One cannot be started.
        """
        self._definitions[task.arn] = definition
        self._running[task.arn] = {}
        for container in definition["containerDefinitions"]:
            if container["name"] != task.container:
                self._start(task, definition, container)

    def watch(self, task: Task) -> None:
        """Restart ended containers whose policy allows it and that have run for long enough."""
        definition = self._definitions[task.arn]
        for container in definition["containerDefinitions"]:
            name = container["name"]
            process = self._running[task.arn].get(name)
            if process and process.poll() is not None:
                del self._running[task.arn][name]
                policy = container.get("restartPolicy") or {}
                period = policy.get("restartAttemptPeriod", _PERIOD) * self._second
                ran = time.time() - self._started[task.arn, name]
                if policy.get("enabled") and ran >= period:
                    self._start(task, definition, container)

    def terminate(self, task: Task) -> None:
        """Send SIGTERM, as ECS does to all containers of a task at once."""
        for process in task.beside.values():
            processes.send(process, signal.SIGTERM)

    def any_running(self, task: Task) -> bool:
        """Return whether a sidecar of the task still runs."""
        running = self._running.get(task.arn, {}).values()
        return any(process.poll() is None for process in running)

    def forget(self, task: Task) -> None:
        """Forget the sidecars of a task that has stopped."""
        self._running.pop(task.arn, None)
        self._definitions.pop(task.arn, None)
        for name in task.beside:
            self._started.pop((task.arn, name), None)

    def _start(self, task: Task, definition: dict[str, Any], container: dict[str, Any]) -> None:
        process = self._launcher.launch(task, definition, container)
        name = container["name"]
        self._started[task.arn, name] = time.time()
        # Saved at once: a kill in the next moment must not leave an unknown process.
        with self._state.lock:
            self._running[task.arn][name] = process
            task.beside[name] = processes.identity(process.pid)
            self._state.save()
