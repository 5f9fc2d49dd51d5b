"""Run a command whose AWS requests go to the emulator of this folder."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import NoReturn

from . import running, settings
from .errors import UserError

# The caller's own, which would select another account.
_LEFT_OUT = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN")
_ENDPOINT = "AWS_ENDPOINT_URL"
_DIRECT = (settings.HOST, "localhost")


def run(given: settings.Settings, words: Sequence[str]) -> NoReturn:
    """Replace this process by the command, with variables that send its AWS requests to the emulator.

    Raises:
        UserError: The emulator of this folder does not run, even if another process has its port.
    """
    settings.check_port(given)
    found = running.own(given)
    if found is None:
        raise UserError(
            f"the emulator of {given.folder} does not run: start it with: {settings.command('up')}"
        )
    variables = environment(os.environ, given.url, found)
    os.execvpe(words[0], list(words), variables)  # nosec B606 # no shell


def environment(before: Mapping[str, str], url: str, found: running.Found) -> dict[str, str]:
    """Return the variables that send AWS requests to the emulator `found` at `url`; a proxy is kept for other hosts."""
    kept = {
        name: value
        for name, value in before.items()
        if name not in _LEFT_OUT and not name.startswith(_ENDPOINT)
    }
    direct = before.get("no_proxy") or before.get("NO_PROXY") or ""
    if direct != "*":
        named = [name.strip() for name in direct.split(",") if name.strip()]
        direct = ",".join([*named, *(host for host in _DIRECT if host not in named)])
    return {
        **kept,
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",  # nosec B105 # the emulator accepts every key
        # The emulator reads load balancers of this region only.
        **dict.fromkeys(settings.REGION_VARIABLES, found.region),
        "LOCAL_MINUTE": f"{found.minute:g}",
        _ENDPOINT: url,
        "NO_PROXY": direct,
        "no_proxy": direct,
    }
