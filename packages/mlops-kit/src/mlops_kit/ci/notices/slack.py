"""Notices to Slack, through an incoming webhook.

Source: https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks
"""

from __future__ import annotations

from typing import Any

import requests

from mlops_kit.core import http
from mlops_kit.core.errors import UserError

from .notice import Notice

VARIABLE = "SLACK_WEBHOOK_URL"

_LONGEST_WAIT = 30  # seconds
_MARKS = {
    "success": ":white_check_mark:",
    "failure": ":x:",
    "cancelled": ":no_entry_sign:",
    "recovery": ":recycle:",
    "report": ":bar_chart:",
}


def send(notice: Notice, webhook: str) -> None:
    """Post the notice to `webhook`, a secret that no error contains.

    Raises:
        UserError: The address is invalid, there is no response, or Slack refuses.
    """
    if not webhook.startswith(("https://", "http://")):
        raise UserError(f"{VARIABLE} is no web address; accepted: https://hooks.slack.com/…")
    try:
        answer = http.ask("POST", webhook, _LONGEST_WAIT, json=message(notice))
    except requests.RequestException as error:
        raise UserError(f"Slack could not be reached ({type(error).__name__})") from None
    if not answer.ok:
        reason = answer.text.replace(webhook, "…")[:80]  # such as no_service or invalid_blocks
        raise UserError(f"Slack answered {answer.status_code} {' '.join(reason.split())}".strip())


def message(notice: Notice) -> dict[str, Any]:
    """Return the notice as Slack's blocks; `text` is for push notifications.

    Sources: https://docs.slack.dev/reference/block-kit/blocks/header-block (at most 150 characters) and
    https://docs.slack.dev/reference/block-kit/blocks/section-block (at most 3,000).
    """
    facts = [
        f"*{fact.name}*\n"
        + (f"<{fact.url}|{_plain(fact.text)}>" if fact.url else _plain(fact.text))
        for fact in notice.facts
    ]
    title = f"{_MARKS[notice.status]} {notice.title}"
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": {"type": "plain_text", "text": title[:150], "emoji": True}}
    ]
    if facts:
        fields = [{"type": "mrkdwn", "text": fact} for fact in facts]
        blocks.append({"type": "section", "fields": fields})
    if notice.summary:
        quoted = f"```{_plain(notice.summary).replace('```', '')[:2900]}```"
        blocks.append({"type": "section", "text": {"type": "mrkdwn", "text": quoted}})
    return {"text": _plain(notice.title), "blocks": blocks}


def _plain(text: str) -> str:
    """Return a text with Slack's links and mentions escaped."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
