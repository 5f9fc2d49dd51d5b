"""Send a notice every way that is set; whatever goes wrong is a line, never an error."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from mlops_kit.core.errors import UserError

from .. import system
from . import mail, notice, recovery, slack

_WAYS = ((slack.VARIABLE, "Slack", slack.send), (mail.VARIABLE, "mail", mail.send))


def notify(status: str, what: str, summary: Path) -> list[str]:
    """Send the notice and return one line for each way; what could not be sent says why.

    No line has a secret in it, and nothing is raised: a notice must not turn a good deployment red.
    """
    return _never_failing(lambda: _notify(status, what, summary))


def report(title: str, text: Path) -> list[str]:
    """Send a report, as `notify` sends a notice; no line at all where no way is set."""
    about = notice.Notice(notice.REPORT, title, system.build(), notice.beginning(text))
    return _never_failing(lambda: _send(about))


def _never_failing(send: Callable[[], list[str]]) -> list[str]:
    try:
        return send()
    except UserError as error:
        return [f"warning: no notice sent: {error}"]
    except Exception as error:  # a fault must not fail the pipeline either
        return [f"warning: no notice sent: unexpected {type(error).__name__}"]


def _notify(status: str, what: str, summary: Path) -> list[str]:
    if not any(os.environ.get(variable) for variable, _, _ in _WAYS):
        both = " and ".join(variable for variable, _, _ in _WAYS)
        return [f"no notice sent: {both} are not set"]
    build = system.build()
    message = notice.write(status, what, summary, build)
    lines = []
    try:
        if status == "success" and recovery.failed_before(message.what, build):
            message = message.recovered()
        recovery.remember(message.what, build, status)
    except UserError as error:
        lines.append(f"note: whether it failed before is not known: {error}")
    return lines + _send(message)


def _send(message: notice.Notice) -> list[str]:
    lines = []
    for variable, name, send in _WAYS:
        if os.environ.get(variable):
            try:
                send(message, os.environ[variable])
                lines.append(f"{name}: sent: {message.title}")
            except UserError as error:
                lines.append(f"warning: {name}: no notice sent: {error}")
    return lines
