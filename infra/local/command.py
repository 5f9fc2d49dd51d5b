"""Run a command whose AWS is the emulator of this folder, and no other."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import NoReturn

from ml_template.errors import UserError

from . import running, settings

# Of whoever calls: they would lead elsewhere.
_LEFT_OUT = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN")
_ENDPOINT = "AWS_ENDPOINT_URL"
_DIRECT = (settings.HOST, "localhost")


def run(given: settings.Settings, words: Sequence[str]) -> NoReturn:
    """Become the command, with the environment in which AWS is this emulator.

    Raises:
        UserError: The emulator of this folder does not run, whoever else has its port.
    """
    settings.check_port(given)
    if not running.is_own(given):
        raise UserError(f"the emulator of {given.folder} does not run: make local-up starts it")
    os.execvpe(words[0], list(words), environment(os.environ, given))  # nosec B606 # no shell


def environment(before: Mapping[str, str], given: settings.Settings) -> dict[str, str]:
    """Return the variables that make AWS this emulator; a proxy stays for all but this machine."""
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
        "AWS_SECRET_ACCESS_KEY": "local",  # the emulator accepts every key
        "AWS_DEFAULT_REGION": settings.region(),
        _ENDPOINT: given.url,
        "NO_PROXY": direct,
        "no_proxy": direct,
    }
