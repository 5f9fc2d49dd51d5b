"""The task definition of a release, and its comparison with a registered one.

Source: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_definition_parameters.html
"""

from __future__ import annotations

from typing import Any, Optional

from .contract import Contract
from .release import Release
from .settings import DeployConfig

CONTAINER = "app"
SHIPPER = "shipper"
_SHIPPER_MIB = 128  # a hard limit, so that it cannot take memory from the service
# The image's volume, and its path, which the service knows relative to the working directory.
_RECORDS, _RECORDS_PATH = "predictions", "/app/predictions"
_EVERYWHERE = "0.0.0.0"  # nosec B104 # the container's own network, behind its security group
_TMP = "/tmp"  # nosec B108 # the container's, which is a volume of its own

# The fields in which task definitions are compared; ECS adds defaults and fields of its own.
_COMPARED = ("cpu", "memory", "networkMode", "executionRoleArn", "taskRoleArn")
_COMPARED_OF_CONTAINER = (
    "image",
    "portMappings",
    "environment",
    "secrets",
    "stopTimeout",
    "readonlyRootFilesystem",
    "logConfiguration",
    "command",
    "memory",
    "restartPolicy",
)


def request(release: Release, config: DeployConfig, contract: Contract) -> dict[str, Any]:
    """Return the request that registers the task definition of `release`: the image by digest, with tags."""
    containers = [_app(release, config, contract)]
    volumes = ["tmp"]
    if contract.predictions:
        containers[0]["mountPoints"].append(_mount(_RECORDS, _RECORDS_PATH))
        containers.append(_shipper(release, config, contract))
        volumes.append(_RECORDS)
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
        "volumes": [{"name": name} for name in volumes],
        "containerDefinitions": containers,
        "tags": [{"key": key, "value": value[:256]} for key, value in tags.items()],
    }


def _app(release: Release, config: DeployConfig, contract: Contract) -> dict[str, Any]:
    variables = {
        **config.environment,
        "HOST": _EVERYWHERE,
        "PORT": str(contract.container_port),
        "RELEASE": release.digest,
    }
    return {
        **_container(CONTAINER, variables, release, config, contract),
        "essential": True,
        "portMappings": [{"containerPort": contract.container_port, "protocol": "tcp"}],
        "secrets": [
            {"name": name, "valueFrom": contract.secrets[name]} for name in sorted(contract.secrets)
        ],
        "mountPoints": [_mount("tmp", _TMP)],
    }


def _shipper(release: Release, config: DeployConfig, contract: Contract) -> dict[str, Any]:
    """Return the container that ships the service's records to S3; it is restarted, and the service runs on without it.

    Source: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/container-restart-policy.html
    """
    return {
        **_container(SHIPPER, dict(config.environment), release, config, contract),
        "essential": False,
        "command": ["--ship"],
        "memory": _SHIPPER_MIB,
        # The minimum; by default ECS leaves one that ends within its first 300 seconds stopped.
        "restartPolicy": {"enabled": True, "restartAttemptPeriod": 60},
        "mountPoints": [_mount(_RECORDS, _RECORDS_PATH)],
    }


def _container(
    name: str,
    variables: dict[str, str],
    release: Release,
    config: DeployConfig,
    contract: Contract,
) -> dict[str, Any]:
    """Return the fields that both containers share; both may read or write S3."""
    variables = {**variables, "AWS_DEFAULT_REGION": contract.region}
    if contract.predictions:
        # First, because the config's own values override earlier ones.
        recorded = f"record.folder={_RECORDS} record.to={contract.predictions}"
        variables = {
            **variables,
            "SERVE_SET": f"{recorded} {variables.get('SERVE_SET', '')}".strip(),
        }
    return {
        "name": name,
        "image": release.image(contract.repository),
        "environment": [{"name": key, "value": variables[key]} for key in sorted(variables)],
        "stopTimeout": config.tasks.stop_seconds,
        "readonlyRootFilesystem": True,
        "linuxParameters": {"initProcessEnabled": True},
        "logConfiguration": {
            "logDriver": "awslogs",
            "options": {
                "awslogs-group": contract.log_group,
                "awslogs-region": contract.region,
                "awslogs-stream-prefix": name,
            },
        },
    }


def _mount(volume: str, path: str) -> dict[str, str]:
    return {"sourceVolume": volume, "containerPath": path}


def facts(definition: Optional[dict[str, Any]]) -> dict[str, Any]:
    """Return the compared fields of a task definition (a request or ECS' response) with dotted names; none for None."""
    if definition is None:
        return {}
    found = {key: definition.get(key) for key in _COMPARED}
    for container in definition["containerDefinitions"]:
        of = "" if container["name"] == CONTAINER else f"{container['name']}."
        for key in _COMPARED_OF_CONTAINER:
            value = container.get(key)
            if key in ("environment", "secrets"):
                for each in value or []:
                    found[f"{of}{key}.{each['name']}"] = each.get("value", each.get("valueFrom"))
            elif key == "portMappings":
                found[f"{of}port"] = [mapping["containerPort"] for mapping in value or []]
            else:
                # ECS omits fields that were not given, or returns them empty.
                found[f"{of}{key}"] = value or None
    return found


def is_same(wanted: dict[str, Any], found: Optional[dict[str, Any]]) -> bool:
    """Return whether ECS' task definition is equal to the one that would be registered."""
    return facts(wanted) == facts(found)


def digest(definition: Optional[dict[str, Any]]) -> str:
    """Return the digest of the image that a task definition runs, or an empty string where it names no digest."""
    if definition is None:
        return ""
    return str(definition["containerDefinitions"][0]["image"].partition("@")[2])
