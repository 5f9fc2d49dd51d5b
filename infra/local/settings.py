"""What the variables LOCAL_PORT, LOCAL_DIR and LOCAL_MINUTE say."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import NamedTuple

from ml_template.errors import UserError

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
