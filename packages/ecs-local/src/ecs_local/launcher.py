"""Start the containers of a task: a packed image as a process, any other as a Docker container."""

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
# Inherited from the emulator's environment; a container would have its own.
_INHERITED = ("HOME", "LANG", "LD_LIBRARY_PATH", "PATH", "TMPDIR")
_CRASH = "import sys; print('the task crashes, as ordered'); sys.exit(1)"


class CannotStartError(Exception):
    """A task cannot be started; the message is its stoppedReason.

    Source: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/stopped-task-error-codes.html
    """


class Launcher:
    """Resolves image, secrets and log group of a task's containers, and starts them."""

    def __init__(self, folder: Path, images: Images, aws: Aws) -> None:
        self._folder, self._images, self._aws = folder, images, aws

    def log(self, task: Task, name: str = "") -> Path:
        """Return the log file of a task's essential container, or of its sidecar `name`."""
        return self._folder / "tasks" / f"{task.id}{name and '-'}{name}.log"

    def launch(
        self, task: Task, definition: Mapping[str, Any], container: Mapping[str, Any]
    ) -> subprocess.Popen[bytes]:
        """Start a container of the task: the essential one or a sidecar.

        Raises:
            CannotStartError: Its image, a secret, its log group or Docker is missing.
        """
        name = "" if container["name"] == task.container else container["name"]
        digest = self._digest(task, container["image"])
        environment = {
            **(self._role(task) if definition.get("taskRoleArn") else {}),
            **{pair["name"]: pair["value"] for pair in container.get("environment", [])},
            **self._secrets(task, container),
        }
        if not name:
            self._check_log_group(task)
        config = self._images.config(digest)
        own = self._own(task)
        if PACKED not in (config.get("Labels") or {}):
            _require_docker()
            task.docker = True
            command, environment = _docker(task, definition, container, environment, own)
            return processes.start(command, self._folder, environment, self.log(task, name))
        environment = {
            **{name: os.environ[name] for name in _INHERITED if name in os.environ},
            **dict(pair.split("=", 1) for pair in config.get("Env") or []),
            **environment,
            "HOST": settings.HOST,
            "PORT": str(task.port),
        }
        root = self._images.unpacked(digest)
        _link(root / (config.get("WorkingDir") or "/").lstrip("/"), own)
        return processes.start(
            _command(task, container, config), own, environment, self.log(task, name)
        )

    def kill(self, task: Task) -> None:
        """Kill all processes and containers of a task."""
        for process in (task.process, *task.beside.values()):
            if process:
                processes.kill(process)
        if task.docker:  # killing Docker's client leaves its container
            remove = ["docker", "rm", "--force", *(_name(task, n) for n in ("", *task.beside))]
            subprocess.Popen(remove, stderr=subprocess.DEVNULL)  # nosec B603 # no shell

    def forget(self, task: Task) -> None:
        """Remove a task's own folder, with its volumes."""
        shutil.rmtree(self._own(task), ignore_errors=True)

    def _own(self, task: Task) -> Path:
        """Return the task's own folder, for its containers."""
        return self._folder / "tasks" / task.id

    def _role(self, task: Task) -> dict[str, str]:
        """Return the variables with which a task with a role uses the emulator; ECS gives it a credentials endpoint."""
        return {
            "AWS_ENDPOINT_URL": self._aws.url,
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",  # nosec B105 # the emulator accepts every key
            **dict.fromkeys(settings.REGION_VARIABLES, region_of(task.arn)),
        }

    def _digest(self, task: Task, image: str) -> str:
        name, _, digest = image.partition("@")
        repository = name.partition("/")[2]
        if task.fault == "image-pull" or self._images.manifest(repository, digest) is None:
            raise CannotStartError(
                f"CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve ref"
                f" {image}: {image}: not found"
            )
        return digest

    def _secrets(self, task: Task, container: Mapping[str, Any]) -> dict[str, str]:
        found = {}
        for secret in container.get("secrets", []):
            try:
                found[secret["name"]] = self._secret(task, secret["valueFrom"])
            except Exception as error:  # any error of AWS
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
    """Require a Docker client and a running engine.

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
            lines = done.stderr.strip().splitlines() or ["nothing"]
            reason = f"its engine is not running (docker said: {lines[-1]})"
    raise CannotStartError(f"CannotPullContainerError: this image needs Docker: {reason}")


def _link(image: Path, own: Path) -> None:
    """Link an image's files into a task's own folder, where its containers also write."""
    own.mkdir(parents=True, exist_ok=True)
    for path in image.iterdir():
        if not (own / path.name).exists():
            (own / path.name).symlink_to(path)


def _command(task: Task, container: Mapping[str, Any], config: Mapping[str, Any]) -> list[str]:
    if task.fault == "crash" and container["name"] == task.container:
        return [sys.executable, "-c", _CRASH]
    entry = container.get("entryPoint") or config.get("Entrypoint") or []
    command = [*entry, *(container.get("command") or config.get("Cmd") or [])]
    return [sys.executable if part == "python3" else part for part in command]


def _docker(
    task: Task,
    definition: Mapping[str, Any],
    container: Mapping[str, Any],
    environment: Mapping[str, str],
    own: Path,
) -> tuple[list[str], dict[str, str]]:
    """Return the command and its environment: a list of processes shows the command, so only the environment has values."""
    beside = container["name"] != task.container
    memory = container.get("memory") or definition.get("memory")
    name = _name(task, container["name"] if beside else "")
    command = ["docker", "run", "--rm", "--name", name, *_HARDENED]
    if beside:  # it reaches the emulator through this machine's own network
        command += ["--network", "host"]
    else:
        inside = container["portMappings"][0]["containerPort"]
        command += ["--publish", f"{settings.HOST}:{task.port}:{inside}"]
    command += ["--memory", f"{memory}m"] if memory else []
    for volume in container.get("mountPoints", []):
        if volume["containerPath"] != _TMP:
            folder = own / volume["sourceVolume"]
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(0o777)  # nosec B103 # for any user of the image
            command += ["--volume", f"{folder}:{volume['containerPath']}"]
    for variable in environment:
        command += ["--env", variable]
    crash = ["--entrypoint", "python3"] if task.fault == "crash" and not beside else []
    given = ["-c", _CRASH] if crash else container.get("command", [])
    command += [*crash, container["image"], *given]
    return command, {**os.environ, **environment}


def _name(task: Task, container: str = "") -> str:
    return f"ecs-local-{task.id}{container and '-'}{container}"
