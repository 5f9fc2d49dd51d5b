"""Around every request: its id, its log line, its time, and an answer when something unexpected happens."""

from __future__ import annotations

import re
import secrets
import time
import traceback
from typing import Any

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .logs import log
from .metrics import Measures

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")

_CLIENT_LEFT = 499  # nginx's number: the client went away before its answer


class Observed:
    """ASGI middleware; `draining` makes every answer the last one on its connection."""

    def __init__(self, app: ASGIApp, measures: Measures, paths: frozenset[str]) -> None:
        """Take the application; requests outside `paths` are counted together."""
        self._app = app
        self._measures = measures
        self._paths = paths
        self.draining = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start = time.perf_counter()
        request_id = _request_id(scope)
        told: dict[str, Any] = scope.setdefault("state", {})
        told["status"], told["request_id"] = 0, request_id

        async def send_on(message: Message) -> None:
            if message["type"] == "http.response.start":
                told["status"] = message["status"]
                message["headers"].append((b"x-request-id", request_id.encode()))
                if self.draining:
                    message["headers"].append((b"connection", b"close"))
            await send(message)

        try:
            await self._app(scope, receive, send_on)
        except ClientDisconnect:
            told["status"] = _CLIENT_LEFT
        except Exception as error:  # the service goes on; the log has the whole of it
            log(
                "error",
                "failed",
                request_id=request_id,
                error=repr(error),
                trace=traceback.format_exc(),
            )
        seconds = time.perf_counter() - start
        path = scope["path"] if scope["path"] in self._paths else "other"
        self._measures.answered(path, told["status"], seconds)
        log(
            "info",
            "answered",
            request_id=request_id,
            method=scope["method"],
            path=scope["path"],
            status=told["status"],
            milliseconds=round(1000 * seconds, 2),
            rows=told.get("rows"),
        )


def _request_id(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
            return str(value.decode())
    return secrets.token_hex(16)
