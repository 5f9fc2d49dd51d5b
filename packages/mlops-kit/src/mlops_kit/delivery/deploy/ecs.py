"""Amazon ECS: the API calls of a rollout, and their responses as rollout.py takes them. No decisions are made here.

Sources: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-type-blue-green.html
and https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ServiceDeployment.html
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Optional

from . import aws, task_definition
from .contract import Contract
from .deployment_configuration import deployment_configuration
from .rollout import Look
from .settings import DeployConfig

GOING_ON = ("PENDING", "IN_PROGRESS")
_SETTLED = (
    "SUCCESSFUL",
    "ROLLBACK_SUCCESSFUL",
)  # all traffic goes to the service's task definition
IN_FLIGHT = (*GOING_ON, "STOP_REQUESTED", "ROLLBACK_REQUESTED", "ROLLBACK_IN_PROGRESS")


class Ecs:
    """The service of one contract."""

    def __init__(self, client: Any, contract: Contract) -> None:
        """Take a client of ECS."""
        self._client, self._contract = client, contract

    def service(self) -> Optional[dict[str, Any]]:
        """Return the service as DescribeServices has it, or None if there is none or it was deleted."""
        answer = self._client.describe_services(
            cluster=self._contract.cluster, services=[self._contract.service]
        )
        found: list[dict[str, Any]] = answer["services"]
        return found[0] if found and found[0]["status"] != "INACTIVE" else None

    def task_definition(self, name: str) -> dict[str, Any]:
        """Return the task definition `name` (an ARN, a family, or FAMILY:REVISION)."""
        answer = self._client.describe_task_definition(taskDefinition=name)
        found: dict[str, Any] = answer["taskDefinition"]
        return found

    def register(self, wanted: dict[str, Any], current: str = "") -> str:
        """Register the task definition `wanted`, unless `current` or the family's newest is the same; return its ARN."""
        for name in filter(None, (current, wanted["family"])):
            try:
                found = self.task_definition(name)
            except aws.errors() as error:
                if aws.code(error) != "ClientException":  # ECS' code for an unknown family
                    raise
            else:
                if task_definition.is_same(wanted, found):
                    return str(found["taskDefinitionArn"])
        registered = self._client.register_task_definition(**wanted)
        return str(registered["taskDefinition"]["taskDefinitionArn"])

    def create(self, definition: str, config: DeployConfig, alarms: bool) -> None:
        """Create the service, which starts its first deployment; `alarms`: whether alarms may roll it back.

        Raises:
            ClientError: AWS refuses.
        """
        contract = self._contract
        network = {
            "subnets": contract.subnets,
            "securityGroups": contract.security_groups,
            "assignPublicIp": "ENABLED" if contract.assign_public_ip else "DISABLED",
        }
        self._client.create_service(
            cluster=contract.cluster,
            serviceName=contract.service,
            taskDefinition=definition,
            desiredCount=config.tasks.count,
            launchType="FARGATE",
            clientToken=secrets.token_hex(16),
            deploymentController={"type": "ECS"},
            networkConfiguration={"awsvpcConfiguration": network},
            healthCheckGracePeriodSeconds=config.tasks.grace_seconds,
            deploymentConfiguration=deployment_configuration(config, contract, alarms),
            loadBalancers=[_load_balancer(contract)],
            propagateTags="TASK_DEFINITION",
            enableECSManagedTags=True,
        )

    def update(
        self, definition: str, config: DeployConfig, count: Optional[int], alarms: bool
    ) -> None:
        """Start a deployment; the load balancers are not sent again, since they did not change.

        Args:
            definition: The ARN of the task definition.
            config: The settings of the environment.
            count: The number of tasks to set, or None to leave that to autoscaling.
            alarms: Whether alarms may roll it back.

        Raises:
            ClientError: AWS refuses.
        """
        self._client.update_service(
            cluster=self._contract.cluster,
            service=self._contract.service,
            taskDefinition=definition,
            healthCheckGracePeriodSeconds=config.tasks.grace_seconds,
            deploymentConfiguration=deployment_configuration(config, self._contract, alarms),
            forceNewDeployment=True,  # a redeployment after a rollback may else count as no change
            **({} if count is None else {"desiredCount": count}),
        )

    def scale(self, count: int) -> None:
        """Set the number of tasks."""
        self._client.update_service(
            cluster=self._contract.cluster, service=self._contract.service, desiredCount=count
        )

    def deployments(
        self, statuses: Sequence[str] = (), after: Optional[datetime] = None
    ) -> list[dict[str, Any]]:
        """Return at most 20 of the service's deployments, the newest first, as ListServiceDeployments has them.

        ECS lists those of the last 90 days.
        Source: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/view-service-deployment.html

        Args:
            statuses: Only deployments in one of these.
            after: Only deployments created after this.
        """
        options: dict[str, Any] = {"status": list(statuses)} if statuses else {}
        if after is not None:
            options["createdAt"] = {"after": after}
        listed = self._client.list_service_deployments(
            cluster=self._contract.cluster, service=self._contract.service, **options
        )["serviceDeployments"]
        return sorted(listed, key=lambda one: one["createdAt"], reverse=True)

    def deployment(self, arn: str) -> dict[str, Any]:
        """Return a service deployment as DescribeServiceDeployments has it."""
        answer = self._client.describe_service_deployments(serviceDeploymentArns=[arn])
        found: dict[str, Any] = answer["serviceDeployments"][0]
        return found

    def definition_of(self, deployment: dict[str, Any]) -> str:
        """Return the ARN of the task definition that a service deployment, described or listed, deploys."""
        target = (
            deployment.get("targetServiceRevisionArn") or deployment["targetServiceRevision"]["arn"]
        )
        return self._definition_of_revision(target)

    def serving_definition(self, service: dict[str, Any]) -> str:
        """Return the ARN of the task definition with most of the traffic: the old one until traffic is shifted.

        `service["taskDefinition"]` is the requested one.
        """
        newest = self.deployments()[:1]
        if newest and newest[0]["status"] not in _SETTLED:
            full = self.deployment(newest[0]["serviceDeploymentArn"])
            there = [full.get("targetServiceRevision", {}), *full.get("sourceServiceRevisions", [])]
            most = max(there, key=lambda one: one.get("requestedProductionTrafficWeight", 0.0))
            if most.get("requestedProductionTrafficWeight"):
                return self._definition_of_revision(most["arn"])
        return str(service["taskDefinition"])

    def _definition_of_revision(self, arn: str) -> str:
        answer = self._client.describe_service_revisions(serviceRevisionArns=[arn])
        return str(answer["serviceRevisions"][0]["taskDefinition"])

    def look(self, arn: str, definition: str) -> tuple[Look, dict[str, Any]]:
        """Return the state of the service deployment `arn`, which deploys `definition`, and the service."""
        deployment, service = self.deployment(arn), self.service() or {}
        listed = self.deployments(after=deployment["createdAt"])
        return look_of(deployment, service, listed, definition), service

    def stop(self, arn: str) -> None:
        """Make ECS roll back a service deployment.

        Source: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/stop-service-deployment.html
        """
        self._client.stop_service_deployment(serviceDeploymentArn=arn, stopType="ROLLBACK")

    def answer(self, arn: str, hook: str, go_on: bool) -> None:
        """Continue a service deployment that waits at the pause hook `hook`, or have it rolled back.

        Source: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/pause-lifecycle-hooks.html
        """
        action = "CONTINUE" if go_on else "ROLLBACK"
        self._client.continue_service_deployment(
            serviceDeploymentArn=arn, hookId=hook, action=action
        )

    def stopped_tasks(self, deployment: str, definition: str) -> list[dict[str, Any]]:
        """Return the tasks of `definition` that stopped since `deployment` began, the newest last."""
        listed = self._client.list_tasks(
            cluster=self._contract.cluster,
            serviceName=self._contract.service,
            desiredStatus="STOPPED",
        )["taskArns"]
        if not listed:
            return []
        answer = self._client.describe_tasks(cluster=self._contract.cluster, tasks=listed[:100])
        since = self.deployment(deployment)["createdAt"]
        ours = [
            task
            for task in answer["tasks"]
            if task["taskDefinitionArn"] == definition and task["createdAt"] >= since
        ]
        return sorted(ours, key=lambda task: task["createdAt"])


def look_of(
    deployment: dict[str, Any],
    service: dict[str, Any],
    listed: list[dict[str, Any]],
    definition: str,
) -> Look:
    """Return the state for the rollout, from the responses of ECS: a service deployment, its service and later deployments."""
    target = deployment.get("targetServiceRevision", {})
    waiting = [
        hook["hookId"]
        for hook in deployment.get("lifecycleHookDetails", [])
        if hook.get("status") == "AWAITING_ACTION"
    ]
    reasons = (deployment.get("rollback", {}).get("reason"), deployment.get("statusReason"))
    return Look(
        status=deployment["status"],
        stage=deployment.get("lifecycleStage", ""),
        hook=waiting[0] if waiting else "",
        reason=next((reason for reason in reasons if reason), ""),
        is_ours=service.get("taskDefinition") == definition,
        superseded=any(one["createdAt"] > deployment["createdAt"] for one in listed),
        alarms=tuple(deployment.get("alarms", {}).get("triggeredAlarmNames", [])),
        production_weight=target.get("requestedProductionTrafficWeight", 0.0),
    )


def _load_balancer(contract: Contract) -> dict[str, Any]:
    """Return the target groups of both colours, and the listener rules by which ECS shifts traffic."""
    return {
        "targetGroupArn": contract.blue_target_group,
        "containerName": task_definition.CONTAINER,
        "containerPort": contract.container_port,
        "advancedConfiguration": {
            "alternateTargetGroupArn": contract.green_target_group,
            "productionListenerRule": contract.production_rule,
            "testListenerRule": contract.test_rule,
            "roleArn": contract.load_balancer_role,
        },
    }
