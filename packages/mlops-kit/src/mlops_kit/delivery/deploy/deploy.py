"""Deploy a release: preflight, start, watch ECS to the end, verify the version that serves, and report the outcome."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn, Optional

from mlops_kit.core.errors import UserError

from . import aws, permission, task_definition, verify
from .environment import Environment
from .lock import LEASE_SECONDS, Lock
from .permission import Wanted
from .probe import Probe
from .records import RUNNING
from .release import Release
from .report import UNWATCHED, Report
from .rollout import DEPLOYED
from .watch import Ending, UnwatchedError, Watcher

_SECONDS_TO_BEGIN = 120.0
_SECONDS_TO_DRAIN = 900.0


class Deployer:
    """One run of the deployer: it deploys, or resumes watching a deployment."""

    def __init__(self, environment: Environment, report: Report) -> None:
        """Take the report, which the run fills in, also when it fails."""
        self._environment, self._report = environment, report
        self._ecs, self._records = environment.ecs, environment.records
        self._alarms = True  # whether they may roll the deployment back
        report.strategy = environment.config.strategy
        report.url = environment.contract.production_url

    def deploy(self, wanted: Wanted) -> int:
        """Deploy a release and return the exit code (`report.OUTCOMES`).

        Raises:
            UserError: It was refused; nothing was changed.
            LockedError: Another deployer holds the lock.
        """
        self._report.set_release(wanted.release)
        self._report.reason = wanted.reason
        # The deployer of the deployment that a rollback has ended holds the lock until it has verified what serves.
        with self._locked(LEASE_SECONDS if wanted.is_rollback else 0) as lock:
            service = self._wait_until_drained()
            self._alarms = permission.require(self._environment, wanted, service, self._report)
            request = task_definition.request(
                wanted.release, self._environment.config, self._environment.contract
            )
            current = service["taskDefinition"] if service else ""
            definition = self._ecs.register(request, current)
            self._report.task_definition = definition
            if service and self._is_deployed(definition, service):
                return self._conclude(wanted.release, Ending(DEPLOYED, "it was there already"))
            first = not self._has_history(service)
            key = self._records.start(self._report.record())
            try:
                ending = self._watch(wanted.release, lock, first, definition, service)
            except aws.errors() as error:  # no deployment began
                self._report.end(UserError.exit_code, aws.sentence(error))
                self._save_record(key, UserError.exit_code)
                raise
            return self._save_record(key, self._conclude(wanted.release, ending, first))

    def resume(self) -> int:
        """Watch the newest deployment of the service, in flight or ended, and return the exit code (`report.OUTCOMES`).

        Raises:
            UserError: There is no deployment, or its image is no release.
            LockedError: Another deployer holds the lock.
        """
        with self._locked() as lock:
            service = self._ecs.service()
            found = self._ecs.deployments() if service else []
            if not found:
                raise UserError("there is no deployment to resume")
            definition = self._ecs.definition_of(found[0])
            digest = task_definition.digest(self._ecs.task_definition(definition))
            release = self._records.release(digest)
            self._report.set_release(release)
            self._report.task_definition = definition
            self._report.deployment = found[0]["serviceDeploymentArn"]
            first = not self._has_history(service)
            key = self._unfinished(digest) or self._records.start(self._report.record())
            ending = self._watch(release, lock, first)
            return self._save_record(key, self._conclude(release, ending, first))

    # --- Before anything is changed ---------------------------------------------------------------

    def _wait_until_drained(self) -> Optional[dict[str, Any]]:
        """Return the service, or None; wait first until one that is being deleted is gone.

        Raises:
            UserError: It is still being deleted after 900 s.
        """
        deadline = time.monotonic() + _SECONDS_TO_DRAIN
        service = self._ecs.service()
        while service and service["status"] == "DRAINING":
            if time.monotonic() > deadline:
                raise UserError("the service is still being deleted; try again when it is gone")
            self._report.add_stage("DRAINING", "waiting until the deleted service is gone")
            time.sleep(self._environment.config.poll_seconds)
            service = self._ecs.service()
        return service

    def _is_deployed(self, definition: str, service: dict[str, Any]) -> bool:
        newest = self._ecs.deployments()
        return (
            service["taskDefinition"] == definition
            and bool(newest)
            and newest[0]["status"] in ("SUCCESSFUL", "ROLLBACK_SUCCESSFUL")
        )

    def _has_history(self, service: Optional[dict[str, Any]]) -> bool:
        """Return whether a version was ever deployed successfully: ECS needs one to roll back to.

        Our records count as well, because ECS lists deployments of the last 90 days only
        (https://docs.aws.amazon.com/AmazonECS/latest/developerguide/view-service-deployment.html).
        """
        if service is None:
            return False
        return bool(self._ecs.deployments(["SUCCESSFUL"])) or self._records.has_any_passed_since(
            service["createdAt"]
        )

    # --- While ECS works ----------------------------------------------------------------------------

    def _watch(
        self,
        release: Release,
        lock: Lock,
        first: bool,
        definition: str = "",
        service: Optional[dict[str, Any]] = None,
    ) -> Ending:
        """Start the deployment of `definition`, if given, and watch it to the end."""
        environment = self._environment
        probe = Probe(environment.config.probe, release, environment.api_key(), lock.renew)
        try:
            with _unwatched_on_signals():
                if definition:
                    self._report.deployment = self._begin(definition, service, first)
                return Watcher(environment, probe, lock, self._report, first).watch()
        except UnwatchedError as why:
            return Ending(UNWATCHED, str(why))

    def _begin(self, definition: str, service: Optional[dict[str, Any]], first: bool) -> str:
        """Create or update the service, and return the ARN of the deployment that this starts.

        Raises:
            ClientError: AWS refuses; nothing was changed.
            UnwatchedError: It is not known whether the request reached ECS, or there is no deployment after 120 s.
        """
        config = self._environment.config
        known = (
            {one["serviceDeploymentArn"] for one in self._ecs.deployments()} if service else set()
        )
        try:
            if service is None:
                self._ecs.create(definition, config, self._alarms)
            else:
                fixed = first or config.autoscaling is None or service["desiredCount"] == 0
                count = config.tasks.count if fixed else None
                self._ecs.update(definition, config, count, self._alarms)
        except aws.errors() as error:
            if aws.is_passing(error):  # it may have reached ECS all the same
                raise UnwatchedError(aws.sentence(error)) from None
            raise
        deadline = time.monotonic() + _SECONDS_TO_BEGIN
        while time.monotonic() < deadline:
            for one in self._ecs.deployments():
                is_new = one["serviceDeploymentArn"] not in known
                if is_new and self._ecs.definition_of(one) == definition:
                    return str(one["serviceDeploymentArn"])
            time.sleep(config.poll_seconds)
        raise UnwatchedError(
            f"ECS shows no deployment {_SECONDS_TO_BEGIN:.0f} s after it was asked for"
        )

    # --- Afterwards -----------------------------------------------------------------------------------

    def _conclude(self, release: Release, ending: Ending, first: bool = False) -> int:
        """Verify the version that serves, diagnose a failure, and return the exit code."""
        try:
            ending = verify.verify(self._environment, release, self._report, ending, first)
        except aws.errors() as error:
            why = f"{ending.sentence}, but what serves was not verified: {aws.sentence(error)}"
            ending = Ending(UNWATCHED, why)
        self._report.end(ending.code, ending.sentence)
        return ending.code

    def _save_record(self, key: str, code: int) -> int:
        try:
            self._records.update(key, self._report.record())
        except aws.errors() as error:
            self._report.note("record", f"NOT KEPT: {aws.sentence(error)}")
        return code

    def _unfinished(self, digest: str) -> str:
        for key, record in self._records.last(5):
            if record["digest"] == digest and record["outcome"] == RUNNING:
                return key
        return ""

    @contextmanager
    def _locked(self, patience: float = 0) -> Iterator[Lock]:
        lock = self._environment.lock()
        lock.acquire(patience)
        try:
            yield lock
        finally:
            try:
                lock.release()
            except aws.errors():  # the lease expires, and this must not hide the outcome
                pass


@contextmanager
def _unwatched_on_signals() -> Iterator[None]:
    """Raise UnwatchedError on SIGINT and SIGTERM: they end the watching, not the deployment."""

    def stop(number: int, _frame: object) -> NoReturn:
        raise UnwatchedError(f"interrupted by {signal.Signals(number).name}")

    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, stop) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before):
            signal.signal(number, handler)
