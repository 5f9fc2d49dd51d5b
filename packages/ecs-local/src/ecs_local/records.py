"""The emulator's state of ECS, in one JSON file: services, revisions, deployments, tasks and faults.

Times are in seconds since the epoch, durations in seconds.
"""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Optional

from .errors import UserError
from .files import write_text

IN_FLIGHT = (
    "PENDING",
    "IN_PROGRESS",
    "STOP_REQUESTED",
    "ROLLBACK_REQUESTED",
    "ROLLBACK_IN_PROGRESS",
)
# How many events ECS returns of a service: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Service.html
_EVENTS = 100


@dataclass
class Service:
    """A service as requested; `request` has the members that the emulator only stores and returns."""

    arn: str
    name: str
    cluster: str
    desired: int
    configuration: dict[str, Any]
    load_balancers: list[dict[str, Any]]
    grace: int
    request: dict[str, Any]
    client_token: str
    created: float
    revision: str = ""  # ARN of the current or next one
    completed: str = ""  # ARN of the one that a rollback returns to
    deployments: list[str] = field(default_factory=list)  # ARNs, oldest first
    status: str = "ACTIVE"
    events: list[dict[str, Any]] = field(default_factory=list)  # newest first
    steady: bool = False  # whether its last check found a steady state


@dataclass
class Revision:
    """One version of a service, and the target group of its tasks."""

    arn: str
    service: str
    task_definition: str
    target_group: str
    request: dict[str, Any]
    images: list[dict[str, str]]
    created: float
    not_before: float = 0.0  # no task starts earlier: exponential back-off after failures
    failed_in_row: int = 0


@dataclass
class Hook:
    """A pause of a deployment at a lifecycle hook, and its outcome."""

    id: str
    position: int
    expires: float
    timeout_action: str
    status: str = "AWAITING_ACTION"


@dataclass
class Deployment:
    """One deployment from a revision to another. `position` is the index of its step in the plan."""

    arn: str
    service: str
    target: str
    source: str  # empty for the first
    configuration: dict[str, Any]
    reconcile: bool
    threshold: int
    created: float
    updated: float
    since: float  # when it entered its stage
    status: str = "PENDING"
    reason: str = ""
    position: int = 0
    percent: float = 0.0  # of the production traffic that goes to the target
    tested: bool = False  # whether the test traffic goes to the target
    started: Optional[float] = None
    finished: Optional[float] = None
    stopped: Optional[float] = None
    aborted: bool = False
    hooks: list[Hook] = field(default_factory=list)
    failures: int = 0
    breaker: str = "MONITORING"
    alarms: str = "MONITORING"
    triggered: list[str] = field(default_factory=list)
    ignored_alarms: list[str] = field(default_factory=list)
    rollback: dict[str, Any] = field(default_factory=dict)

    @property
    def in_flight(self) -> bool:
        """Return whether it has not ended."""
        return self.status in IN_FLIGHT


@dataclass
class Task:
    """A task; `process` and, by container name, `beside` identify its processes after a restart."""

    id: str
    arn: str
    service: str
    cluster: str
    revision: str
    deployment: str
    task_definition: str
    created: float
    status: str = "PROVISIONING"
    desired_status: str = "RUNNING"
    target_group: str = ""
    port: int = 0
    image: str = ""
    container: str = ""
    process: dict[str, Any] = field(default_factory=dict)
    beside: dict[str, dict[str, Any]] = field(default_factory=dict)  # of its sidecars
    started: Optional[float] = None
    healthy: bool = False
    stopping: Optional[float] = None
    stopped: Optional[float] = None
    stop_code: str = ""
    stopped_reason: str = ""
    exit_code: Optional[int] = None
    reason: str = ""  # of the container
    signalled: Optional[float] = None
    stop_timeout: float = 30.0
    fault: str = ""
    docker: bool = False
    log: dict[str, str] = field(default_factory=dict)  # group and stream

    @property
    def alive(self) -> bool:
        """Return whether it has not stopped."""
        return self.status != "STOPPED"


@dataclass
class State:
    """All records by ARN, and the lock for reading and changing them."""

    path: Path
    services: dict[str, Service] = field(default_factory=dict)
    revisions: dict[str, Revision] = field(default_factory=dict)
    deployments: dict[str, Deployment] = field(default_factory=dict)
    tasks: dict[str, Task] = field(default_factory=dict)
    faults: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.lock = threading.RLock()
        self._written = ""

    def save(self) -> None:
        """Write the file atomically, if anything changed."""
        with self.lock:
            record = {
                "services": list(self.services.values()),
                "revisions": list(self.revisions.values()),
                "deployments": list(self.deployments.values()),
                "tasks": list(self.tasks.values()),
                "faults": self.faults,
            }
            text = json.dumps(record, default=vars)
            if text != self._written:
                write_text(self.path, text)
                self._written = text

    def load(self) -> None:
        """Read the file, if there is one.

        Raises:
            UserError: It is damaged or of another version.
        """
        if not self.path.exists():
            return
        try:
            record = json.loads(self.path.read_text(encoding="utf-8"))
            self.services = {one["arn"]: Service(**one) for one in record["services"]}
            self.revisions = {one["arn"]: Revision(**one) for one in record["revisions"]}
            self.deployments = {
                one["arn"]: Deployment(**{**one, "hooks": [Hook(**hook) for hook in one["hooks"]]})
                for one in record["deployments"]
            }
            self.tasks = {one["arn"]: Task(**one) for one in record["tasks"]}
            self.faults = record["faults"]
        except (ValueError, KeyError, TypeError):
            raise UserError(
                f"{self.path} is damaged or of another version: remove its folder to start anew"
            ) from None

    def deployment_of(self, service: Service) -> Optional[Deployment]:
        """Return the newest deployment of a service, or None."""
        return self.deployments[service.deployments[-1]] if service.deployments else None

    def tasks_of(self, service: Service, revision: str = "") -> list[Task]:
        """Return the tasks of a service, or of one of its revisions, that have not stopped, oldest first."""
        return [
            task
            for task in self.tasks.values()
            if task.alive and task.service == service.arn and revision in ("", task.revision)
        ]


def add_event(service: Service, message: str) -> None:
    """Add an event, unless the newest one has the same message."""
    text = f"(service {service.name}) {message}"
    if service.events and service.events[0]["message"] == text:
        return
    number = len(service.events) and service.events[0]["number"] + 1
    service.events.insert(0, {"number": number, "createdAt": time.time(), "message": text})
    del service.events[_EVENTS:]


def waiting_hook(deployment: Deployment) -> Optional[Hook]:
    """Return the hook that awaits an action, or None."""
    waiting = (hook for hook in deployment.hooks if hook.status == "AWAITING_ACTION")
    return next(waiting, None)


def deployment_id(deployment: Deployment) -> str:
    """Return the id in the older list of a service's deployments, and in its events."""
    return f"ecs-svc/{int(deployment.created * 1000)}"
