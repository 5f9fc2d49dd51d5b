"""Patches of moto, where it differs from AWS in what the deployer uses."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import moto.applicationautoscaling.models as autoscaling
import moto.ecr.models as repositories
import moto.ecr.responses as ecr
import moto.elbv2.models as balancers
import moto.iam.access_control as access
import moto.ssm.models as parameters
from moto.core.responses import ActionResult
from moto.moto_api._internal import mock_random

Health = Callable[[str], list[dict[str, Any]]]


def repeatable_rule_arns() -> None:
    """Take a rule's id from moto's seeded random numbers, so that a replay of the journal gives the same ARN."""
    original = balancers.FakeRule.__init__

    def init(self: Any, *arguments: Any, **named: Any) -> None:
        original(self, *arguments, **named)
        of_listener = self.arn.rpartition("/")[0]
        self.arn = f"{of_listener}/{mock_random.get_random_hex(16)}"

    balancers.FakeRule.__init__ = init


def real_target_health(health: Health) -> None:
    """Return `health` of a target group, the tasks' real health: moto reports every target as healthy."""

    def describe(self: Any, target_group_arn: str, targets: list[dict[str, Any]]) -> list[Any]:
        if target_group_arn not in self.target_groups:
            raise balancers.TargetGroupNotFoundError()
        ports = {int(target["Port"]) for target in targets or [] if "Port" in target}
        return [
            balancers.FakeHealthStatus(
                found["Id"],
                str(found["Port"]),
                str(found["Port"]),
                found["State"],
                found["Reason"],
                found["Description"],
            )
            for found in health(target_group_arn)
            if not targets or found["Port"] in ports
        ]

    balancers.ELBv2Backend.describe_target_health = describe


def local_registry(url: str) -> None:
    """Return the emulator's registry as the proxyEndpoint of ECR's GetAuthorizationToken."""
    original = ecr.ECRResponse.get_authorization_token

    def get(self: Any) -> Any:
        answer = original(self).result
        for token in answer["authorizationData"]:
            token["proxyEndpoint"] = url
        return ActionResult(answer)

    ecr.ECRResponse.get_authorization_token = get


def scans_on_push_find_nothing() -> None:
    """Report a scan without findings for images of repositories that scan on push: moto scans only on request."""
    original = repositories.ECRBackend.describe_image_scan_findings

    def describe(
        self: Any, registry_id: str, repository_name: str, image_id: dict[str, str]
    ) -> dict[str, Any]:
        repository = self._get_repository(repository_name, registry_id)
        image = repository._get_image(image_id.get("imageTag"), image_id.get("imageDigest"))
        if "manifests" in json.loads(image.image_manifest):  # ECR scans the images in an index
            raise repositories.ScanNotFoundException(
                image_id=image.get_image_digest(),
                repository_name=repository_name,
                registry_id=repository.registry_id,
            )
        if image.last_scan or not repository.image_scanning_configuration.get("scanOnPush"):
            found: dict[str, Any] = original(self, registry_id, repository_name, image_id)
            return found
        return {
            "registryId": repository.registry_id,
            "repositoryName": repository_name,
            "imageId": {"imageDigest": image.image_digest},
            "imageScanStatus": {"status": "COMPLETE"},
            "imageScanFindings": {"findings": [], "findingSeverityCounts": {}},
        }

    repositories.ECRBackend.describe_image_scan_findings = describe


def parameters_by_arn() -> None:
    """Find a parameter by its ARN also if its name has no leading slash: moto takes the ARN's slash for the name's."""
    original = parameters.SimpleSystemManagerBackend.get_parameter

    def get(self: Any, name: str) -> Any:
        found = original(self, name)
        if found is None and name.startswith("arn:"):
            found = original(self, name.partition(":parameter/")[2])
        return found

    parameters.SimpleSystemManagerBackend.get_parameter = get


def own_services(exists: Callable[[str, str], bool]) -> None:
    """Let autoscaling find the emulator's services, which moto's ECS does not know."""

    def check(_backend: Any, resource_id: str) -> bool:
        _, cluster, service = resource_id.split("/")
        if not exists(cluster, service):
            raise autoscaling.AWSValidationException(f"ECS service doesn't exist: {resource_id}")
        return True

    autoscaling.ApplicationAutoscalingBackend._ecs_service_exists_for_target = check


def as_if_encrypted() -> None:
    """Treat every request as encrypted: policies with aws:SecureTransport would deny all requests."""
    original = access.IAMPolicyStatement.is_action_permitted

    def permitted(self: Any, *arguments: Any, **named: Any) -> Any:
        if "aws:SecureTransport" in self._statement.get("Condition", {}).get("Bool", {}):
            return access.PermissionResult.NEUTRAL
        return original(self, *arguments, **named)

    access.IAMPolicyStatement.is_action_permitted = permitted
