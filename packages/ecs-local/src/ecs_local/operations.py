"""The ECS operations that write.

Source: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Operations.html
"""

from __future__ import annotations

import time
import uuid
from typing import Any

from . import answers, checks
from .aws import Aws
from .lifecycle import Lifecycle
from .lookup import EcsError, Lookup
from .records import Deployment, Revision, Service, State, waiting_hook
from .scheduler import threshold
from .tasks import Tasks
from .traffic import Traffic

Answer = dict[str, Any]
# Members of a service that the emulator only stores and returns, and those of them that need a new revision.
_GIVEN_BACK = (
    "availabilityZoneRebalancing",
    "deploymentController",
    "enableECSManagedTags",
    "enableExecuteCommand",
    "launchType",
    "networkConfiguration",
    "platformVersion",
    "propagateTags",
    "tags",
)
_OF_REVISION = ("launchType", "networkConfiguration", "platformVersion")


class Operations:
    """Each method handles the operation of its name: it takes the region and the request, and returns the response."""

    def __init__(
        self,
        state: State,
        aws: Aws,
        lookup: Lookup,
        lifecycle: Lifecycle,
        traffic: Traffic,
        tasks: Tasks,
    ) -> None:
        self._state, self._aws, self._lookup = state, aws, lookup
        self._lifecycle, self._traffic, self._tasks = lifecycle, traffic, tasks

    def create_service(self, region: str, request: Answer) -> Answer:
        """Create a service; its first deployment begins."""
        cluster = self._lookup.cluster(region, request.get("cluster"))
        name, token = request["serviceName"], request.get("clientToken", "")
        existing = self._lookup.service(cluster, name)
        if existing and existing.status == "ACTIVE":
            if token and token == existing.client_token:
                return self._show(existing)
            raise _invalid("Creation of service was not idempotent.")
        if existing and existing.status == "DRAINING":
            raise _invalid("Unable to Start a service that is still Draining.")
        if request.get("deploymentController", {}).get("type", "ECS") != "ECS":
            raise EcsError("UnsupportedFeatureException", "The deployment controller must be ECS.")
        if "taskDefinition" not in request:
            raise _invalid("TaskDefinition can not be blank.")
        definition = self._lookup.task_definition(region, request["taskDefinition"])
        balancers = request.get("loadBalancers", [])
        given = request.get("deploymentConfiguration", {})
        checks.load_balancers(self._aws, region, balancers, definition)
        service = Service(
            arn=f"{cluster.replace(':cluster/', ':service/')}/{name}",
            name=name,
            cluster=cluster,
            desired=request.get("desiredCount", 1),
            configuration=checks.configuration(given, balancers),
            load_balancers=balancers,
            grace=request.get("healthCheckGracePeriodSeconds", 0),
            request={
                "deploymentController": {"type": "ECS"},
                **{key: request[key] for key in _GIVEN_BACK if key in request},
            },
            client_token=token,
            created=time.time(),
        )
        self._state.services[service.arn] = service
        self._deploy(service, definition)
        return self._show(service)

    def update_service(self, region: str, request: Answer) -> Answer:
        """Update a service; a deployment begins if the revision changes or forceNewDeployment is set."""
        cluster = self._lookup.cluster(region, request.get("cluster"))
        service = self._lookup.existing_service(cluster, request["service"])
        if service.status != "ACTIVE":
            raise EcsError("ServiceNotActiveException", "Service was not ACTIVE.")
        current = self._state.revisions[service.revision]
        name = request.get("taskDefinition", current.task_definition)
        definition = self._lookup.task_definition(region, name)
        balancers = request.get("loadBalancers", service.load_balancers)
        given = {**service.configuration, **request.get("deploymentConfiguration", {})}
        full = checks.configuration(given, balancers)
        if balancers != service.load_balancers:
            checks.load_balancers(self._aws, region, balancers, definition)
        updates = {key: request[key] for key in _GIVEN_BACK if key in request}
        changed = any(
            updates.get(key, service.request.get(key)) != service.request.get(key)
            for key in _OF_REVISION
        )
        changed |= definition["taskDefinitionArn"] not in self._requested_definitions(service)
        changed |= balancers != service.load_balancers
        service.request.update(updates)
        service.configuration, service.load_balancers = full, balancers
        service.desired = request.get("desiredCount", service.desired)
        service.grace = request.get("healthCheckGracePeriodSeconds", service.grace)
        if changed or request.get("forceNewDeployment"):
            self._deploy(service, definition)
        return self._show(service)

    def delete_service(self, region: str, request: Answer) -> Answer:
        """Delete a service; it drains until its tasks have stopped."""
        cluster = self._lookup.cluster(region, request.get("cluster"))
        service = self._lookup.existing_service(cluster, request["service"])
        if service.status == "INACTIVE":
            raise EcsError("ServiceNotFoundException", "Service not found.")
        if service.desired and not request.get("force"):
            raise _invalid("The service cannot be stopped while it is scaled above 0.")
        service.status, service.desired = "DRAINING", 0
        now = time.time()
        for deployment in (self._state.deployments[arn] for arn in service.deployments):
            if deployment.in_flight:
                deployment.status, deployment.reason = "STOPPED", "The service was deleted."
                deployment.stopped = deployment.finished = deployment.updated = now
        return self._show(service)

    def stop_service_deployment(self, _region: str, request: Answer) -> Answer:
        """Stop a deployment: roll it back, or with ABORT leave its tasks and weights as they are."""
        deployment = self._lookup.deployment(request["serviceDeploymentArn"])
        if deployment.status not in ("PENDING", "IN_PROGRESS"):
            raise EcsError(
                "ConflictException", f"The service deployment is {deployment.status} already."
            )
        if request.get("stopType", "ROLLBACK") == "ABORT":
            self._lifecycle.stop(deployment, "The service deployment was stopped by a user.")
        else:
            service = self._state.services[deployment.service]
            reason = "Service deployment rolled back because it was stopped by a user."
            self._lifecycle.fail(service, deployment, reason)
        return {"serviceDeploymentArn": deployment.arn}

    def continue_service_deployment(self, _region: str, request: Answer) -> Answer:
        """Continue or roll back a deployment whose hook awaits an action."""
        deployment = self._lookup.deployment(request["serviceDeploymentArn"])
        hook = waiting_hook(deployment)
        if hook is None or hook.id != request["hookId"] or deployment.status != "IN_PROGRESS":
            raise _invalid(f"No lifecycle hook {request['hookId']} is awaiting action.")
        if request.get("action", "CONTINUE") == "CONTINUE":
            hook.status = "SUCCEEDED"
        else:
            service = self._state.services[deployment.service]
            reason = "Service deployment rolled back because of the action of a lifecycle hook."
            self._lifecycle.fail(service, deployment, reason)
        return {"serviceDeploymentArn": deployment.arn}

    def stop_task(self, region: str, request: Answer) -> Answer:
        """Stop a task; its service replaces it."""
        cluster = self._lookup.cluster(region, request.get("cluster"))
        number = request["task"].rpartition("/")[2]
        task = self._state.tasks.get(f"{cluster.replace(':cluster/', ':task/')}/{number}")
        if task is None:
            raise _invalid("The referenced task was not found.")
        self._tasks.stop(task, "UserInitiated", request.get("reason", "Task stopped by user"))
        return {"task": answers.task(task, self._state.services[task.service])}

    def _show(self, service: Service) -> Answer:
        return {"service": answers.service(self._state, service)}

    def _requested_definitions(self, service: Service) -> tuple[str, ...]:
        """Return a service's task definition, and the one of its last deployment if that was rolled back."""
        current = self._state.revisions[service.revision].task_definition
        newest = self._state.deployment_of(service)
        if newest is None or newest.status != "ROLLBACK_SUCCESSFUL":
            return (current,)
        return current, self._state.revisions[newest.target].task_definition

    def _deploy(self, service: Service, definition: Answer) -> None:
        """Begin a deployment; it supersedes one in flight."""
        before = self._state.deployment_of(service)
        if before and before.in_flight:
            self._lifecycle.supersede(service, before)
        reconcile = before is not None and before.status not in (
            "SUCCESSFUL",
            "ROLLBACK_SUCCESSFUL",
        )
        source = self._state.revisions.get(service.completed)
        now = round(time.time(), 3)  # milliseconds, as in clients' filters
        number = uuid.uuid4().hex[:20]
        where = f"{service.cluster.rpartition('/')[2]}/{service.name}/{number}"
        prefix = service.arn.partition(":service/")[0]
        revision = Revision(
            arn=f"{prefix}:service-revision/{where}",
            service=service.arn,
            task_definition=definition["taskDefinitionArn"],
            target_group=self._traffic.next_group(service, source),
            request={key: service.request[key] for key in _OF_REVISION if key in service.request},
            images=[_image(container) for container in definition["containerDefinitions"]],
            created=now,
        )
        breaker = service.configuration["deploymentCircuitBreaker"]["enable"]
        alarms = service.configuration.get("alarms", {}).get("enable")
        deployment = Deployment(
            arn=f"{prefix}:service-deployment/{where}",
            service=service.arn,
            target=revision.arn,
            source=service.completed,
            configuration=service.configuration,
            reconcile=reconcile,
            threshold=threshold(service.desired),
            created=now,
            updated=now,
            since=now,
            # Without an earlier revision all traffic goes to the new one from the start.
            percent=0.0 if source else 100.0,
            tested=source is None,
            breaker="MONITORING" if breaker else "DISABLED",
            alarms="MONITORING" if alarms else "DISABLED",
            ignored_alarms=self._lifecycle.ignored_alarms(service),
        )
        self._state.revisions[revision.arn] = revision
        self._state.deployments[deployment.arn] = deployment
        service.deployments.append(deployment.arn)
        service.revision = revision.arn


def _image(container: Answer) -> dict[str, str]:
    digest = container["image"].partition("@")[2]
    found = {"containerName": container["name"], "image": container["image"]}
    return {**found, "imageDigest": digest} if digest else found


def _invalid(message: str) -> EcsError:
    return EcsError("InvalidParameterException", message)
