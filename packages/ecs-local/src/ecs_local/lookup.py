"""Look up the resources of a request, or raise ECS' error for missing ones."""

from __future__ import annotations

from typing import Any, Optional

from .aws import Aws
from .records import Deployment, Service, State


class EcsError(Exception):
    """An error of ECS: `code` is the name of the exception in boto3."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Lookup:
    """Look-up in the state, and in moto for clusters and task definitions."""

    def __init__(self, state: State, aws: Aws) -> None:
        self._state, self._aws = state, aws

    def cluster(self, region: str, name: Optional[str]) -> str:
        """Return the ARN of a cluster, given by name or ARN.

        Raises:
            EcsError: There is no such cluster.
        """
        ecs = self._aws.client("ecs", region)
        found = ecs.describe_clusters(clusters=[name or "default"])["clusters"]
        if not found or found[0]["status"] != "ACTIVE":
            raise EcsError("ClusterNotFoundException", "Cluster not found.")
        return str(found[0]["clusterArn"])

    def service(self, cluster: str, name: str) -> Optional[Service]:
        """Return a service, given by name or ARN, in any status."""
        where = f"{cluster.replace(':cluster/', ':service/')}/"
        return self._state.services.get(where + name.rpartition("/")[2])

    def existing_service(self, cluster: str, name: str) -> Service:
        """Return a service.

        Raises:
            EcsError: There is no such service.
        """
        found = self.service(cluster, name)
        if found is None:
            raise EcsError("ServiceNotFoundException", "Service not found.")
        return found

    def deployment(self, arn: str) -> Deployment:
        """Return a service deployment.

        Raises:
            EcsError: There is no such deployment.
        """
        if arn not in self._state.deployments:
            raise EcsError("ServiceDeploymentNotFoundException", "Service deployment not found.")
        return self._state.deployments[arn]

    def task_definition(self, region: str, name: str) -> dict[str, Any]:
        """Return an active task definition, given by family, family:revision or ARN.

        Raises:
            EcsError: There is none, or it is inactive.
        """
        ecs = self._aws.client("ecs", region)
        try:
            found: dict[str, Any] = ecs.describe_task_definition(taskDefinition=name)
        except ecs.exceptions.ClientException:
            raise EcsError("ClientException", "TaskDefinition not found.") from None
        definition: dict[str, Any] = found["taskDefinition"]
        if definition["status"] != "ACTIVE":
            raise EcsError("ClientException", "TaskDefinition is inactive")
        return definition
