"""Send a notice every way that is set; whatever goes wrong is a line, never an error."""

from __future__ import annotations

import os
from pathlib import Path

from .. import ci_system
from ..errors import UserError
from . import mail, notice, recovery, slack

_WAYS = ((slack.VARIABLE, "Slack", slack.send), (mail.VARIABLE, "mail", mail.send))


def notify(status: str, what: str, summary: Path) -> list[str]:
    """Send the notice and return one line for each way; what could not be sent says why.

    No line has a secret in it, and nothing is raised: a notice must not turn a good deployment red.
    """
    try:
        return _notify(status, what, summary)
    except UserError as error:
        return [f"warning: no notice sent: {error}"]
    except Exception as error:  # a fault must not fail the pipeline either
        return [f"warning: no notice sent: unexpected {type(error).__name__}"]


def _notify(status: str, what: str, summary: Path) -> list[str]:
    ways = [way for way in _WAYS if os.environ.get(way[0])]
    if not ways:
        both = " and ".join(variable for variable, _, _ in _WAYS)
        return [f"no notice sent: {both} are not set"]
    build = ci_system.build()
    lines = []
    recovered = False
    if status == "success":
        try:
            recovered = recovery.failed_before(build)
        except UserError as error:
            lines.append(f"note: whether it failed before is not known: {error}")
    message = notice.write(status, what, summary, build, recovered)
    for variable, name, send in ways:
        try:
            send(message, os.environ[variable])
            lines.append(f"{name}: sent: {message.title}")
        except UserError as error:
            lines.append(f"warning: {name}: no notice sent: {error}")
    return lines
