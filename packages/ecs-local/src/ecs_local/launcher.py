"""Start what a task definition describes: a packed image as a process, any other as a container of Docker."""

from __future__ import annotations

import json
import os
import shutil
import subprocess  # nosec B404 # Docker's command line; no shell is involved
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from . import processes, settings
from .aws import Aws, region_of
from .images import PACKED, Images
from .records import Task

_TMP = "/tmp"  # nosec B108 # the container's own
_HARDENED = (
    *("--read-only", "--tmpfs", _TMP, "--user", "10001:10001"),
    *("--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--pids-limit", "64"),
)
# Of the emulator's environment; a container would have its own.
_INHERITED = ("HOME", "LANG", "LD_LIBRARY_PATH", "PATH", "TMPDIR")
_CRASH = "import sys; print('the task crashes, as ordered'); sys.exit(1)"


class CannotStartError(Exception):
    """A task that never ran: the text is its stoppedReason."""


class Launcher:
    """Finds what a task needs, and starts it."""

    def __init__(self, folder: Path, images: Images, aws: Aws) -> None:
        self._folder, self._images, self._aws = folder, images, aws

    def log(self, task: Task) -> Path:
        """Return the file with what a task printed."""
        return self._folder / "tasks" / f"{task.id}.log"

    def launch(
        self, task: Task, definition: Mapping[str, Any], container: Mapping[str, Any]
    ) -> subprocess.Popen[bytes]:
        """Start the task's container.

        Raises:
            CannotStartError: Its image, a secret, its log group or Docker is not there.
        """
        digest = self._digest(task)
        environment = {
            **{pair["name"]: pair["value"] for pair in container.get("environment", [])},
            **self._secrets(task, container),
        }
        self._check_log_group(task)
        config = self._images.config(digest)
        if PACKED not in (config.get("Labels") or {}):
            _require_docker()
            task.docker = True
            command, environment = _docker(task, definition, container, environment)
            return processes.start(command, self._folder, environment, self.log(task))
        environment = {
            **{name: os.environ[name] for name in _INHERITED if name in os.environ},
            **dict(pair.split("=", 1) for pair in config.get("Env") or []),
            **environment,
            "HOST": settings.HOST,
            "PORT": str(task.port),
        }
        root = self._images.unpacked(digest)
        folder = root / (config.get("WorkingDir") or "/").lstrip("/")
        return processes.start(
            _command(task, container, config), folder, environment, self.log(task)
        )

    def kill(self, task: Task) -> None:
        """End what a task runs at once."""
        if task.process:
            processes.kill(task.process)
        if task.docker:  # killing Docker's client leaves its container
            remove = ["docker", "rm", "--force", _name(task)]
            subprocess.Popen(remove, stderr=subprocess.DEVNULL)  # nosec B603 # no shell

    def _digest(self, task: Task) -> str:
        name, _, digest = task.image.partition("@")
        repository = name.partition("/")[2]
        if task.fault == "image-pull" or self._images.manifest(repository, digest) is None:
            raise CannotStartError(
                f"CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve ref"
                f" {task.image}: {task.image}: not found"
            )
        return digest

    def _secrets(self, task: Task, container: Mapping[str, Any]) -> dict[str, str]:
        found = {}
        for secret in container.get("secrets", []):
            try:
                found[secret["name"]] = self._secret(task, secret["valueFrom"])
            except Exception as error:  # whatever AWS says of it
                raise CannotStartError(
                    "ResourceInitializationError: unable to pull secrets or registry auth: execution resource"
                    f" retrieval failed: unable to retrieve secret from asm: {error}"
                ) from None
        if task.fault == "secret":
            raise CannotStartError(
                "ResourceInitializationError: unable to pull secrets or registry auth: execution resource"
                " retrieval failed: unable to retrieve secret from asm: ResourceNotFoundException"
            )
        return found

    def _secret(self, task: Task, source: str) -> str:
        if ":secretsmanager:" not in source:
            ssm = self._client(task, "ssm")
            return str(ssm.get_parameter(Name=source, WithDecryption=True)["Parameter"]["Value"])
        # arn:aws:secretsmanager:region:account:secret:name, then perhaps :key of the JSON in it.
        parts = source.split(":")
        arn, key = ":".join(parts[:7]), parts[7] if len(parts) > 7 else ""
        secrets = self._client(task, "secretsmanager")
        value = secrets.get_secret_value(SecretId=arn)["SecretString"]
        return str(json.loads(value)[key]) if key else str(value)

    def _check_log_group(self, task: Task) -> None:
        if not task.log:
            return
        logs = self._client(task, "logs")
        try:
            logs.create_log_stream(logGroupName=task.log["group"], logStreamName=task.log["stream"])
        except logs.exceptions.ResourceNotFoundException:
            raise CannotStartError(
                "ResourceInitializationError: failed to validate logger args: The task cannot find the Amazon"
                f" CloudWatch log group defined in the task definition: {task.log['group']}"
            ) from None

    def _client(self, task: Task, service: str) -> Any:
        return self._aws.client(service, region_of(task.arn))


def _require_docker() -> None:
    """Make sure that there is a client of Docker and that its engine runs.

    Raises:
        CannotStartError: One of them is missing.
    """
    reason = "docker is not on the PATH"
    if shutil.which("docker"):
        try:
            done = subprocess.run(  # nosec B603 B607 # a list of arguments, no shell
                ["docker", "version"], capture_output=True, text=True, timeout=60, check=False
            )
        except subprocess.TimeoutExpired:
            reason = "its engine did not answer within 60 s"
        else:
            if not done.returncode:
                return
            said = done.stderr.strip().splitlines() or ["nothing"]
            reason = f"its engine is not running (docker said: {said[-1]})"
    raise CannotStartError(f"CannotPullContainerError: this image needs Docker: {reason}")


def _command(task: Task, container: Mapping[str, Any], config: Mapping[str, Any]) -> list[str]:
    if task.fault == "crash":
        return [sys.executable, "-c", _CRASH]
    entry = container.get("entryPoint") or config.get("Entrypoint") or []
    command = [*entry, *(container.get("command") or config.get("Cmd") or [])]
    return [sys.executable if part == "python3" else part for part in command]


def _docker(
    task: Task,
    definition: Mapping[str, Any],
    container: Mapping[str, Any],
    environment: Mapping[str, str],
) -> tuple[list[str], dict[str, str]]:
    """Return the command and its environment: values are named in the one and stand in the other."""
    inside = container["portMappings"][0]["containerPort"]
    memory = container.get("memory") or definition.get("memory")
    command = ["docker", "run", "--rm", "--name", _name(task), *_HARDENED]
    command += ["--publish", f"{settings.HOST}:{task.port}:{inside}"]
    command += ["--memory", f"{memory}m"] if memory else []
    for name in environment:
        command += ["--env", name]
    crash = ["--entrypoint", "python3"] if task.fault == "crash" else []
    command += [*crash, task.image, *(["-c", _CRASH] if crash else container.get("command", []))]
    return command, {**os.environ, **environment}


def _name(task: Task) -> str:
    return f"ecs-local-{task.id}"
