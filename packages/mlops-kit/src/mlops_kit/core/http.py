"""HTTP requests with a few retries, which wait as long as the service asks if that is short."""

from __future__ import annotations

import time
from contextlib import suppress
from email.utils import parsedate_to_datetime
from typing import Any

import requests

ATTEMPTS = 4
SECONDS = 10  # for one response


def ask(method: str, url: str, longest_wait: float, **options: Any) -> Any:
    """Send a request and return its `requests.Response`, whatever the status; retry transient failures, 4 attempts in all.

    Transient are: no connection, no response within 10 s, a status of 429, 500, 502, 503 or 504, and GitHub's 403 for a
    rate limit. Before the next attempt it waits as long as Retry-After or x-ratelimit-reset ask for, else 1, 2, 4 s; if
    that is more than `longest_wait` seconds, it returns the response instead. `options` are those of `requests.request`.

    Raises:
        requests.RequestException: The last attempt got no response, whatever earlier ones got, or the request is invalid.
    """
    for left in reversed(range(ATTEMPTS)):
        pause = 2.0 ** (ATTEMPTS - 1 - left)
        try:
            response = requests.request(method, url, timeout=SECONDS, **options)
        except (requests.ConnectionError, requests.Timeout):
            if not left:
                raise
        else:
            if not (left and _may_pass(response)):
                return response
            pause = retry_after(response, pause)
            if pause > longest_wait:
                return response
        time.sleep(pause)
    raise AssertionError("the last attempt returns or raises")


def is_rate_limit(response: Any) -> bool:
    """Return whether the service refused a request because of its rate limit."""
    headers = response.headers
    limited = headers.get("x-ratelimit-remaining") == "0" or "retry-after" in headers
    return response.status_code == 429 or (response.status_code == 403 and limited)


def retry_after(response: Any, otherwise: float = 0) -> float:
    """Return how many seconds the service asks to wait (Retry-After, x-ratelimit-reset), `otherwise` if it does not."""
    after = response.headers.get("retry-after", "")
    with suppress(ValueError, TypeError):  # seconds, or a date (RFC 9110, 10.2.3)
        until = float(after) + time.time() if after.isdigit() else _timestamp(after)
        return max(0.0, until - time.time())
    if response.headers.get("x-ratelimit-remaining") == "0":
        with suppress(ValueError):
            return max(0.0, float(response.headers.get("x-ratelimit-reset", "")) - time.time())
    return otherwise


def _timestamp(date: str) -> float:
    return parsedate_to_datetime(date).timestamp()


def _may_pass(response: Any) -> bool:
    return response.status_code in (500, 502, 503, 504) or is_rate_limit(response)
