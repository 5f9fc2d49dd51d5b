"""The AWS on this machine behind ENV=local: `ecs_local run` tells by AWS_ENDPOINT_URL where it is."""

from __future__ import annotations

import os
from urllib.parse import urlsplit

from mlops_kit.core.errors import UserError

HOST = "127.0.0.1"
CONTAINER_PORT = 8000


def port() -> int:
    """Return the port of the emulator; production's listener has the next one, the test listener the one after.

    Raises:
        UserError: AWS is not an emulator on this machine, so nothing may be made in it.
    """
    given = os.environ.get("AWS_ENDPOINT_URL", "")
    parts = urlsplit(given)
    if parts.scheme != "http" or parts.hostname != HOST or parts.port is None:
        raise UserError(
            f"AWS_ENDPOINT_URL is {given!r}; accepted: http://{HOST}:PORT, as make local-up and make deploy ENV=local"
            " set it"
        )
    return parts.port
