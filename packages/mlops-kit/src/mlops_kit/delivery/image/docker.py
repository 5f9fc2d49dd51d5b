"""The docker command line, and the errors where it is missing."""

from __future__ import annotations

import json
import os
import shutil
import subprocess  # nosec B404 # the command line is Docker's stable interface; no shell is involved
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mlops_kit.core.errors import UserError

_SECONDS = 60  # for an engine to respond
_CONFIG = "DOCKER_CONFIG"  # the folder of the client's configuration
_LOGINS = ("auths", "credsStore", "credHelpers")  # in config.json; the last two name keychains


def require_engine() -> None:
    """Require a client and a running engine.

    Raises:
        UserError: One of them is missing; the message has what to install or start.
    """
    client = _client()
    try:
        done = subprocess.run(  # nosec B603 # a list of arguments, no shell
            [client, "version"], capture_output=True, text=True, timeout=_SECONDS, check=False
        )
        reason = _last_line(done.stderr)
    except subprocess.TimeoutExpired:
        raise UserError(
            f"the Docker engine did not answer within {_SECONDS} s: restart it"
        ) from None
    if done.returncode:
        raise UserError(
            "the Docker engine is not running: start Docker Desktop, or on Linux: sudo systemctl start docker"
            f" (docker said: {reason})"
        )


def show(*arguments: str) -> None:
    """Run docker with its output on the terminal.

    Raises:
        UserError: docker failed; its error is on the terminal already.
    """
    # Engines before 23 use BuildKit only with DOCKER_BUILDKIT=1. From 29 on they would push an index of the image and an
    # attestation, and ECR does not scan an index; the image's contents are in our own SBOM.
    # Source: https://docs.docker.com/build/building/variables/
    env = {**os.environ, "DOCKER_BUILDKIT": "1", "BUILDX_NO_DEFAULT_ATTESTATIONS": "1"}
    command = [_client(), *arguments]
    done = subprocess.run(
        command, env=env, check=False
    )  # nosec B603 # a list of arguments, no shell
    if done.returncode:
        raise UserError(f"docker {arguments[0]} ended with exit code {done.returncode}: see above")


def ask(*arguments: str, stdin: str = "") -> str:
    """Run docker and return its stdout.

    Raises:
        UserError: docker failed; the message has the last line of its stderr.
    """
    done = subprocess.run(  # nosec B603 # a list of arguments, no shell
        [_client(), *arguments], input=stdin, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise UserError(f"docker {arguments[0]} failed: {_last_line(done.stderr)}")
    return done.stdout


@contextmanager
def logged_in(host: str, user: str, password: str) -> Iterator[None]:
    """Log in to a registry for the block, in a configuration of its own: the user's own logins stay as they are.

    Raises:
        UserError: The registry refuses, or the user's configuration is damaged.
    """
    given = os.environ.get(_CONFIG)
    with tempfile.TemporaryDirectory() as folder:
        _take_over(Path(given or Path.home() / ".docker"), Path(folder), host)
        os.environ[_CONFIG] = folder
        try:
            # The password goes through a pipe: a command line can be read by everybody on the machine.
            ask("login", "--username", user, "--password-stdin", host, stdin=password)
            yield
        finally:
            if given is None:
                del os.environ[_CONFIG]
            else:
                os.environ[_CONFIG] = given


def _take_over(users: Path, own: Path, host: str) -> None:
    """Fill the folder `own` with the user's configuration, such as contexts, TLS keys and plugins, but no login."""
    path = users / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        config = {}
    except ValueError as error:
        raise UserError(f"{path} is damaged: {error}") from None
    for key in _LOGINS:
        config.pop(key, None)
    # Without any entry Docker would choose the machine's keychain, in which the user's login may be.
    config["auths"] = {host: {}}
    (own / path.name).write_text(json.dumps(config), encoding="utf-8")
    for other in users.iterdir() if users.is_dir() else ():
        if other.name != path.name:
            (own / other.name).symlink_to(other.absolute())


def inspect(image: str) -> dict[str, Any]:
    """Return `docker image inspect` of a local image.

    Raises:
        UserError: The image is not on this machine.
    """
    try:
        found: dict[str, Any] = json.loads(ask("image", "inspect", image))[0]
    except UserError:
        raise UserError(f"image {image} is not on this machine: make image builds it") from None
    return found


def _client() -> str:
    client = shutil.which("docker")
    if client is None:
        raise UserError(
            "docker not found: install Docker Desktop, or on Debian and Ubuntu: sudo apt install docker.io"
        )
    return client


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["nothing"])[-1]
