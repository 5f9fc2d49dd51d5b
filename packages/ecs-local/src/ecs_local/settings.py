"""The settings in the variables LOCAL_PORT, LOCAL_DIR, LOCAL_MINUTE and LOCAL_COMMANDS, and its constants."""

from __future__ import annotations

import math
import os
import socket
from pathlib import Path
from typing import NamedTuple

from .errors import UserError
from .files import write_text

HOST = "127.0.0.1"
ACCOUNT = "123456789012"  # moto's own
REGION_VARIABLES = ("AWS_REGION", "AWS_DEFAULT_REGION")
# In one line; the README has the whole list.
LIMITS = "it does not imitate IAM, networks and security groups, autoscaling, CPU limits, prices or AWS's own delays"
_FIRST_PORT, _STEP, _LAST_PORT = 4510, 10, 65533


class Settings(NamedTuple):
    """The emulator's port, the folder of its state, and the seconds that a minute of ECS takes."""

    port: int
    folder: Path
    minute: float

    @property
    def url(self) -> str:
        """The URL for AWS_ENDPOINT_URL."""
        return f"http://{HOST}:{self.port}"

    @property
    def registry(self) -> str:
        """The registry (HOST:PORT) of image references."""
        return f"{HOST}:{self.port}"

    @property
    def ports(self) -> tuple[int, int, int]:
        """The ports of the emulator and of the two listeners."""
        return self.port, self.production_port, self.test_port

    @property
    def production_port(self) -> int:
        """The port of the production listener."""
        return self.port + 1

    @property
    def test_port(self) -> int:
        """The port of the test listener."""
        return self.port + 2


def read() -> Settings:
    """Return the settings of this environment; without LOCAL_PORT the port is the folder's own, or a free one.

    Raises:
        UserError: A variable has a value that is not accepted.
    """
    folder = Path(os.environ.get("LOCAL_DIR") or "artifacts/local").resolve()
    text = os.environ.get("LOCAL_PORT") or _kept_port(folder)
    return Settings(
        port=_port(text) if text else free_ports(),
        folder=folder,
        minute=_minute(os.environ.get("LOCAL_MINUTE") or "1"),
    )


def check_port(given: Settings) -> None:
    """Require the port of the folder's state, which is part of its contract, listeners and image references.

    Raises:
        UserError: The folder's state has another port.
    """
    kept = _kept_port(given.folder)
    if kept and kept != str(given.port):
        raise UserError(
            f"what {given.folder} keeps was made with LOCAL_PORT={kept}, not {given.port}:"
            " leave LOCAL_PORT out, or set LOCAL_DIR to another folder"
        )


def keep_port(given: Settings) -> None:
    """Write the port for `check_port`."""
    write_text(port_file(given.folder), f"{given.port}\n")


def port_file(folder: Path) -> Path:
    """Return the file with the port of the folder's state."""
    return folder / "port"


def free_ports() -> int:
    """Return the first of three consecutive free ports.

    Raises:
        UserError: No three ports in a row are free.
    """
    for first in range(_FIRST_PORT, _LAST_PORT + 1, _STEP):
        if all(is_free(port) for port in range(first, first + 3)):
            return first
    raise UserError("no three ports in a row are free: give LOCAL_PORT=…")


def is_free(port: int) -> bool:
    """Return whether the port is free."""
    try:
        socket.create_server((HOST, port)).close()
    except OSError:
        return False
    return True


def region() -> str:
    """Return the environment's region, in the order of AWS's SDKs, or moto's default."""
    given = (os.environ.get(name) for name in REGION_VARIABLES)
    return next(filter(None, given), "us-east-1")


def command(name: str) -> str:
    """Return the command line of `up` or `down` for messages, from the template in LOCAL_COMMANDS."""
    return (os.environ.get("LOCAL_COMMANDS") or "python -m ecs_local {}").replace("{}", name)


def _kept_port(folder: Path) -> str:
    path = port_file(folder)
    return path.read_text(encoding="utf-8").strip() if path.exists() else ""


def _port(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and 1 <= int(text) <= _LAST_PORT):
        raise UserError(
            f"LOCAL_PORT is {text!r}; accepted: a whole number, 1 to 65533 (the two ports after it are used, too)"
        )
    return int(text)


def _minute(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds <= 60:
        raise UserError(f"LOCAL_MINUTE is {text!r}; accepted: seconds, more than 0 and at most 60")
    return seconds
