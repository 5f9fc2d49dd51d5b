"""The production stack on a laptop: the service, and MLflow with its database and object store (docker/compose.yaml)."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess  # nosec B404 # compose is a command line; no shell is involved
import time
from pathlib import Path

from mlops_kit.core import project
from mlops_kit.core.console import step
from mlops_kit.core.errors import UserError

from . import build, docker

COMPOSE = Path("docker/compose.yaml")
PASSWORDS = Path("artifacts/compose.env")

_SECRETS = ("POSTGRES_PASSWORD", "S3_ACCESS_KEY", "S3_SECRET_KEY")
_SECONDS = 300  # for everything to become healthy
_HEALTHY = ("healthy", "running")  # the shipper has no health check, so that it can only run


def up(options: build.Options, service_image: str, service_port: int, mlflow_port: int) -> None:
    """Start everything and wait until all of it is healthy.

    Raises:
        UserError: Docker, compose or the image is missing, or a container does not become healthy.
    """
    docker.require_engine()
    _compose()
    docker.inspect(service_image)
    build.build_target("mlflow", mlflow_image(), options)
    write_passwords()
    _run(
        [*_compose(), "--env-file", str(PASSWORDS), "up", "--detach"],
        SERVICE_IMAGE=service_image,
        SERVICE_PORT=str(service_port),
        MLFLOW_PORT=str(mlflow_port),
    )
    with step("healthy") as running:
        running.detail = ", ".join(_wait())


def down() -> None:
    """Stop everything; the volumes with runs and models stay, and so do their passwords.

    Raises:
        UserError: Docker or compose is missing.
    """
    docker.require_engine()
    # compose needs a value for every variable, though it uses none of them here.
    _run([*_compose(), "down"], **dict.fromkeys(("SERVICE_IMAGE", *_SECRETS), "none"))


def mlflow_image() -> str:
    """Return the tag of the tracking server's image."""
    return f"{project.current().name}-mlflow:local"


def write_passwords() -> None:
    """Write random passwords, readable by this user only, unless the file exists: the volumes were created with those."""
    if not PASSWORDS.exists():
        PASSWORDS.parent.mkdir(exist_ok=True)
        lines = "".join(f"{name}={secrets.token_hex(20)}\n" for name in _SECRETS)
        handle = os.open(PASSWORDS, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(lines)


def _compose() -> list[str]:
    """Return the compose command: the plugin of docker, else docker-compose.

    Raises:
        UserError: Neither is installed.
    """
    plugin = ["docker", "compose"]
    done = subprocess.run(
        [*plugin, "version"], capture_output=True, check=False
    )  # nosec B603 # a list of arguments, no shell
    if done.returncode == 0:
        command = plugin
    elif shutil.which("docker-compose"):
        command = ["docker-compose"]
    else:
        raise UserError(
            "docker compose not found: install Docker Desktop, or on Debian and Ubuntu: sudo apt install docker-compose"
        )
    return [*command, "--project-name", project.current().name, "--file", str(COMPOSE)]


def _run(command: list[str], **variables: str) -> None:
    env = {**os.environ, "MLFLOW_IMAGE": mlflow_image(), **variables}
    done = subprocess.run(
        command, env=env, check=False
    )  # nosec B603 # a list of arguments, no shell
    if done.returncode:
        raise UserError(f"docker compose ended with exit code {done.returncode}: see above")


def _wait() -> list[str]:
    """Wait until all containers are healthy; return their names."""
    deadline = time.monotonic() + _SECONDS
    while True:
        states = _states()
        unhealthy = sorted(name for name, state in states.items() if state not in _HEALTHY)
        if states and not unhealthy:
            return sorted(states)
        if time.monotonic() > deadline:
            named = ", ".join(f"{name} ({states[name]})" for name in unhealthy)
            raise UserError(f"not healthy after {_SECONDS} s: {named}; see: docker logs NAME")
        time.sleep(1)


def _states() -> dict[str, str]:
    """Return the state of each container of the project."""
    listed = docker.ask(
        "ps",
        "--all",
        "--quiet",
        "--filter",
        f"label=com.docker.compose.project={project.current().name}",
    )
    ids = listed.split()
    containers = json.loads(docker.ask("container", "inspect", *ids)) if ids else []
    return {
        container["Name"]
        .lstrip("/"): container["State"]
        .get("Health", container["State"])["Status"]
        for container in containers
    }
