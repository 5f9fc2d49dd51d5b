"""The task definition of a release: what ECS runs, and whether it is what ECS has already."""

from __future__ import annotations

from typing import Any, Optional

from .contract import Contract
from .release import Release
from .settings import DeployConfig

CONTAINER = "app"
_EVERYWHERE = "0.0.0.0"  # nosec B104 # the container's own network, behind its security group
_TMP = "/tmp"  # nosec B108 # the container's, which is a volume of its own

# What tells one task definition from another; ECS adds defaults and bookkeeping of its own.
_COMPARED = ("cpu", "memory", "networkMode", "executionRoleArn", "taskRoleArn")
_COMPARED_OF_CONTAINER = (
    "image",
    "portMappings",
    "environment",
    "secrets",
    "stopTimeout",
    "readonlyRootFilesystem",
    "logConfiguration",
)


def request(release: Release, config: DeployConfig, contract: Contract) -> dict[str, Any]:
    """Return what registers the task definition of `release`: the image by digest, tagged with what it is."""
    variables = {
        **config.environment,
        "HOST": _EVERYWHERE,
        "PORT": str(contract.container_port),
        "RELEASE": release.digest,
    }
    container = {
        "name": CONTAINER,
        "image": release.image(contract.repository),
        "essential": True,
        "portMappings": [{"containerPort": contract.container_port, "protocol": "tcp"}],
        "environment": [{"name": name, "value": variables[name]} for name in sorted(variables)],
        "secrets": [
            {"name": name, "valueFrom": contract.secrets[name]} for name in sorted(contract.secrets)
        ],
        "stopTimeout": config.tasks.stop_seconds,
        "readonlyRootFilesystem": True,
        "mountPoints": [{"sourceVolume": "tmp", "containerPath": _TMP}],
        "linuxParameters": {"initProcessEnabled": True},
        "logConfiguration": {
            "logDriver": "awslogs",
            "options": {
                "awslogs-group": contract.log_group,
                "awslogs-region": contract.region,
                "awslogs-stream-prefix": CONTAINER,
            },
        },
    }
    tags = {
        "release": release.tag,
        "commit": release.commit,
        "model-version": release.model_version,
        "data-digest": release.data_digest,
    }
    return {
        "family": contract.service,
        "requiresCompatibilities": ["FARGATE"],
        "runtimePlatform": {
            "cpuArchitecture": contract.architecture,
            "operatingSystemFamily": "LINUX",
        },
        "networkMode": "awsvpc",
        "cpu": str(config.tasks.cpu),
        "memory": str(config.tasks.memory),
        "executionRoleArn": contract.execution_role,
        "taskRoleArn": contract.task_role,
        "volumes": [{"name": "tmp"}],
        "containerDefinitions": [container],
        "tags": [{"key": key, "value": value[:256]} for key, value in tags.items()],
    }


def facts(definition: Optional[dict[str, Any]]) -> dict[str, Any]:
    """Return what matters of a task definition, flat: of a request, of ECS' answer, or of none."""
    if definition is None:
        return {}
    container = definition["containerDefinitions"][0]
    found = {key: definition.get(key) for key in _COMPARED}
    for key in _COMPARED_OF_CONTAINER:
        value = container.get(key)
        if key in ("environment", "secrets"):
            for each in value or []:
                found[f"{key}.{each['name']}"] = each.get("value", each.get("valueFrom"))
        elif key == "portMappings":
            found["port"] = [mapping["containerPort"] for mapping in value or []]
        else:
            found[key] = value
    return found


def is_same(wanted: dict[str, Any], found: Optional[dict[str, Any]]) -> bool:
    """Whether ECS' task definition is what would be registered."""
    return facts(wanted) == facts(found)


def digest(definition: Optional[dict[str, Any]]) -> str:
    """Return the digest of the image that a task definition runs, or nothing where it names no digest."""
    if definition is None:
        return ""
    return str(definition["containerDefinitions"][0]["image"].partition("@")[2])
