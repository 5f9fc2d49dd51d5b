"""The emulator of AWS behind ENV=local: its address in AWS_ENDPOINT_URL, which `ecs_local run` sets, and its clock."""

from __future__ import annotations

import os
from typing import Optional
from urllib.parse import urlsplit

from mlops_kit.core.errors import UserError

HOST = "127.0.0.1"
_ENDPOINT = "AWS_ENDPOINT_URL"
CONTAINER_PORT = 8000


def port() -> int:
    """Return the port of the emulator; production's listener has the next one, the test listener the one after.

    Raises:
        UserError: AWS is not an emulator on this machine, so nothing may be created in it.
    """
    found = _port()
    if found is None:
        given = os.environ.get(_ENDPOINT, "")
        raise UserError(
            f"{_ENDPOINT} is {given!r}; accepted: http://{HOST}:PORT, as make local-up and make deploy ENV=local"
            " set it"
        )
    return found


def seconds_of_a_minute() -> float:
    """Return the seconds that a minute of ECS (a bake time, a step) lasts: 60 on AWS, LOCAL_MINUTE in the emulator."""
    return 60.0 if _port() is None else float(os.environ.get("LOCAL_MINUTE") or 60)


def _port() -> Optional[int]:
    parts = urlsplit(os.environ.get(_ENDPOINT, ""))
    return parts.port if parts.scheme == "http" and parts.hostname == HOST else None
