"""What the variables LOCAL_PORT, LOCAL_DIR and LOCAL_MINUTE say."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import NamedTuple

from ml_template.errors import UserError
from ml_template.files import write_text

HOST = "127.0.0.1"
ACCOUNT = "123456789012"  # moto's own


class Settings(NamedTuple):
    """Where the emulator listens, where it keeps its state, and how long a minute of ECS takes it."""

    port: int
    folder: Path
    minute: float

    @property
    def url(self) -> str:
        """The address that AWS_ENDPOINT_URL names."""
        return f"http://{HOST}:{self.port}"

    @property
    def registry(self) -> str:
        """The host of image references."""
        return f"{HOST}:{self.port}"

    @property
    def production_port(self) -> int:
        """The port of the production listener."""
        return self.port + 1

    @property
    def test_port(self) -> int:
        """The port of the test listener."""
        return self.port + 2


def read() -> Settings:
    """Return the settings of this environment.

    Raises:
        UserError: A variable has a value that is not accepted.
    """
    return Settings(
        port=_port(os.environ.get("LOCAL_PORT") or "4510"),
        folder=Path(os.environ.get("LOCAL_DIR") or "artifacts/local").absolute(),
        minute=_minute(os.environ.get("LOCAL_MINUTE") or "1"),
    )


def check_port(given: Settings) -> None:
    """Refuse a port that is not the one of what the folder keeps: contract, listeners and image references name it.

    Raises:
        UserError: It is another port.
    """
    path = _port_file(given)
    kept = path.read_text(encoding="utf-8").strip() if path.exists() else str(given.port)
    if kept != str(given.port):
        raise UserError(
            f"what {given.folder} keeps was made with LOCAL_PORT={kept}, not {given.port}:"
            " set it again, or LOCAL_DIR to another folder"
        )


def keep_port(given: Settings) -> None:
    """Write down the port for `check_port`."""
    write_text(_port_file(given), f"{given.port}\n")


def _port_file(given: Settings) -> Path:
    return given.folder / "port"


def region() -> str:
    """Return the region that boto3 would take."""
    return os.environ.get("AWS_DEFAULT_REGION") or "eu-west-1"


def _port(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and 1 <= int(text) <= 65533):
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
