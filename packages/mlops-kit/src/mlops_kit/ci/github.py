"""Read the repository from GitHub's REST API, within its rate limits.

Source: https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any, NamedTuple

import requests

from mlops_kit.core import http
from mlops_kit.core.errors import UserError

_ACCEPTS = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
_REFUSED = {
    401: "GITHUB_TOKEN is not accepted: give one that is valid",
    403: "GITHUB_TOKEN may not do this: it needs the permission actions: read",
    404: "there is no such repository or workflow, or GITHUB_TOKEN lacks the permission actions: read",
}


class Repository(NamedTuple):
    """A repository on GitHub, and the token that reads it."""

    api: str
    name: str  # OWNER/NAME
    token: str
    longest_wait: float  # seconds to wait for a rate limit

    def get(self, path: str, **query: str) -> dict[str, Any]:
        """Return GitHub's response for `path`, relative to the repository, with `query` as its parameters.

        Raises:
            UserError: GitHub refuses, requires a wait longer than `longest_wait`, or does not respond.
        """
        return self._get_page(f"{self.api}/repos/{self.name}/{path}", query)[0]

    def pages(self, path: str, **query: str) -> Iterator[dict[str, Any]]:
        """Yield the response of each page, with 100 entries each.

        Raises:
            UserError: As `get`.
        """
        url, parameters = f"{self.api}/repos/{self.name}/{path}", {"per_page": "100", **query}
        while url:
            answer, url = self._get_page(url, parameters)
            parameters = {}  # the next page's URL has them
            yield answer

    def _get_page(self, url: str, query: dict[str, str]) -> tuple[dict[str, Any], str]:
        """Return a response and the URL of the next page, which is empty after the last."""
        headers = {**_ACCEPTS, "Authorization": f"Bearer {self.token}"}
        try:
            answer = http.ask("GET", url, self.longest_wait, headers=headers, params=query)
            content = answer.json() if answer.ok else {}
        except (requests.RequestException, ValueError) as error:
            raise UserError(f"GitHub could not be asked ({type(error).__name__})") from None
        if not answer.ok:
            raise UserError(f"GitHub answered {answer.status_code}: {_reason(answer)}")
        return content, answer.links.get("next", {}).get("url", "")


def connect(longest_wait: float) -> Repository:
    """Return the repository of GITHUB_REPOSITORY, read with GITHUB_TOKEN; `longest_wait` is in seconds.

    Raises:
        UserError: One of the two is not set.
    """
    name, token = (os.environ.get(f"GITHUB_{key}", "") for key in ("REPOSITORY", "TOKEN"))
    if name.count("/") != 1:
        raise UserError(f"GITHUB_REPOSITORY is {name!r}; accepted: OWNER/NAME")
    if not token:
        raise UserError("GITHUB_TOKEN is not set: it needs the permission actions: read")
    api = os.environ.get("GITHUB_API_URL") or "https://api.github.com"
    return Repository(api.rstrip("/"), name, token, longest_wait)


def _reason(answer: Any) -> str:
    if http.is_rate_limit(answer):
        until = datetime.now(timezone.utc) + timedelta(seconds=http.retry_after(answer))
        return f"its rate limit is used up until {until:%H:%M} UTC: try again then"
    return _REFUSED.get(answer.status_code, "try again later")
