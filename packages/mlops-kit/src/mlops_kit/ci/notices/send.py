"""Send a notice through every configured channel; a failure is a warning line, never an exception."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from mlops_kit.core.errors import UserError

from .. import system
from . import mail, notice, recovery, slack

_CHANNELS = ((slack.VARIABLE, "Slack", slack.send), (mail.VARIABLE, "mail", mail.send))


def notify(status: str, what: str, summary: Path) -> list[str]:
    """Send the notice and return one line for each channel, with the reason where it could not be sent.

    No line has a secret, and nothing is raised: a notice must not fail a successful deployment.
    """
    return _never_failing(lambda: _notify(status, what, summary))


def report(title: str, text: Path) -> list[str]:
    """Send a report, as `notify` sends a notice; return no line where no channel is configured."""
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
    if not any(os.environ.get(variable) for variable, _, _ in _CHANNELS):
        both = " and ".join(variable for variable, _, _ in _CHANNELS)
        return [f"no notice sent: {both} are not set"]
    build = system.build()
    message = notice.write(status, what, summary, build)
    lines = []
    try:
        if status == "success" and recovery.failed_before(message.what, build):
            message = message.recovered()
        recovery.save(message.what, build, status)
    except UserError as error:
        lines.append(f"note: whether it failed before is not known: {error}")
    return lines + _send(message)


def _send(message: notice.Notice) -> list[str]:
    lines = []
    for variable, name, send in _CHANNELS:
        if os.environ.get(variable):
            try:
                send(message, os.environ[variable])
                lines.append(f"{name}: sent: {message.title}")
            except UserError as error:
                lines.append(f"warning: {name}: no notice sent: {error}")
    return lines
