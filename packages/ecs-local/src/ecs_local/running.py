"""Find the running emulator: the listener on the port, and the process of the folder."""

from __future__ import annotations

import http.client
import json
import os
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, NamedTuple, Optional

from . import processes, settings
from .errors import UserError
from .files import write_json

_SECONDS = 2  # timeout of a response; a listener without one is no emulator
_PATIENCE = 10  # seconds, for our own emulator on a busy machine
# Requests to loopback never go through a proxy, even if HTTP_PROXY is set.
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Found(NamedTuple):
    """The listener on the port: an emulator with its folder and process, or something else (no folder)."""

    folder: str
    pid: int = 0
    region: str = ""
    minute: float = 1.0  # seconds that a minute of ECS takes


def ask(given: settings.Settings, seconds: float = _SECONDS) -> Optional[Found]:
    """Request the health of the listener on the port; return the listener, or None if there is none."""
    try:
        with _DIRECT.open(f"{given.url}/_local/health", timeout=seconds) as answer:
            health = json.load(answer)
        minute = float(health["minute"])
        return Found(str(health["folder"]), int(health["pid"]), str(health["region"]), minute)
    except urllib.error.URLError as error:
        return None if isinstance(error.reason, ConnectionRefusedError) else Found("")
    except (OSError, ValueError, KeyError, TypeError, http.client.HTTPException):
        return Found("")


def own(given: settings.Settings) -> Optional[Found]:
    """Return the emulator of this folder, if it responds."""
    found = ask(given, _PATIENCE)
    return found if found is not None and found.folder == str(given.folder) else None


def is_own(given: settings.Settings) -> bool:
    """Return whether the emulator of this folder responds."""
    return own(given) is not None


def choose(given: settings.Settings, answers: dict[str, str]) -> dict[str, str]:
    """Set the emulator's answers where AWS's documentation leaves a behaviour open (worlds.py); return them."""
    if answers:
        body = json.dumps(answers).encode()
        request = urllib.request.Request(f"{given.url}/_local/worlds", body, method="PUT")
        _DIRECT.open(request, timeout=_PATIENCE).close()
    return answers


def own_process(given: settings.Settings) -> Optional[dict[str, Any]]:
    """Return the process of this folder's emulator, if it runs; it may not respond yet."""
    try:
        process: dict[str, Any] = json.loads(_file(given).read_text(encoding="utf-8"))
        # A copy of a folder has the file of the emulator that runs on the original.
        is_ours = process.get("folder", str(given.folder)) == str(given.folder)
        if is_ours and processes.is_running(process):
            return process
    except (OSError, ValueError, KeyError):
        pass
    found = ask(given)
    if found is not None and found.folder == str(given.folder):
        return processes.identity(found.pid)
    return None


def note(given: settings.Settings) -> None:
    """Write the file that marks this process as the emulator of the folder."""
    write_json(_file(given), {**processes.identity(os.getpid()), "folder": str(given.folder)})


def forget(given: settings.Settings) -> None:
    """Remove the file that `note` wrote."""
    _file(given).unlink(missing_ok=True)


def refuse_others(given: settings.Settings) -> None:
    """Require that the ports are free.

    Raises:
        UserError: One is taken; the message names the listener, and the commands that help.
    """
    found = ask(given)
    if found is not None:
        whose = f"the emulator of {found.folder} (process {found.pid})"
        who = whose if found.folder else "something that is no emulator"
        raise UserError(f"{who} listens on {given.url}: {_way_out(given, found)}")
    taken = [port for port in given.ports if not settings.is_free(port)]
    if taken:
        raise UserError(
            f"LOCAL_PORT {given.port} needs the ports {given.port} to {given.test_port}, and {taken[0]} is taken:"
            f" {_way_out(given, None)}"
        )


def _way_out(given: settings.Settings, found: Optional[Found]) -> str:
    other = f"LOCAL_PORT={settings.free_ports()} {settings.command('up')}"
    if not settings.port_file(given.folder).exists():
        return f"take another port: {other}"
    end = "end that"
    if found and found.folder:
        end = f"LOCAL_DIR={found.folder} {settings.command('down')}"
    return f"what {given.folder} keeps needs this port: {end}; or forget it: rm -r {given.folder}; {other}"


def _file(given: settings.Settings) -> Path:
    return given.folder / "serve.pid.json"
