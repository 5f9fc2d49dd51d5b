"""The middleware of every request: its id, log line and duration, and the handling of unexpected errors."""

from __future__ import annotations

import re
import secrets
import time
import traceback
from typing import Any

from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mlops_kit.core.probe_header import PROBE_HEADER

from .logs import log
from .metrics import Measures

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")

_PROBE = PROBE_HEADER.lower().encode()  # as in ASGI
_MOST_LOGGED = 200  # characters of a path, which may have 60,000

_CLIENT_LEFT = 499  # nginx's status: the client disconnected before the response


class Middleware:
    """ASGI middleware; while `draining` is true, every response closes its connection."""

    def __init__(
        self, app: ASGIApp, measures: Measures, paths: frozenset[str], root_path: str
    ) -> None:
        """Take the application and its root path for clients; requests outside `paths` are counted as "other"."""
        self._app = app
        self._measures = measures
        self._paths = paths
        self._root_path = root_path
        self.draining = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start = time.perf_counter()
        request_id, hosts, is_probe = _from_headers(scope)
        state: dict[str, Any] = scope.setdefault("state", {})
        state["status"], state["request_id"], state["is_probe"] = 0, request_id, is_probe
        scope["root_path"] = self._root_path
        app = self._app if _has_host(scope, hosts) else _refuse_host

        async def send_on(message: Message) -> None:
            if message["type"] == "http.response.start":
                state["status"] = message["status"]
                message["headers"].append((b"x-request-id", request_id.encode()))
                if self.draining:
                    message["headers"].append((b"connection", b"close"))
            await send(message)

        try:
            await app(scope, receive, send_on)
        except ClientDisconnect:
            state["status"] = _CLIENT_LEFT
        except Exception as error:  # the service continues; the log has the traceback
            log(
                "error",
                "failed",
                request_id=request_id,
                error=repr(error),
                trace=traceback.format_exc(),
            )
        seconds = time.perf_counter() - start
        path = scope["path"]
        if self._root_path and path.startswith(f"{self._root_path}/"):
            path = path[len(self._root_path) :]
        known = "probe" if is_probe else path if path in self._paths else "other"
        self._measures.answered(known, state["status"], seconds)
        log(
            "info",
            "answered",
            request_id=request_id,
            method=scope["method"],
            path=scope["path"][:_MOST_LOGGED],
            probe=is_probe or None,
            status=state["status"],
            milliseconds=round(1000 * seconds, 2),
            rows=state.get("rows"),
        )


async def _refuse_host(scope: Scope, receive: Receive, send: Send) -> None:
    detail = "a request has exactly one header Host"
    await JSONResponse({"detail": detail}, 400)(scope, receive, send)


def _from_headers(scope: Scope) -> tuple[str, int, bool]:
    """Return the request's id, the number of its Host headers, and whether it is a probe."""
    request_id, hosts, is_probe = "", 0, False
    for name, value in scope["headers"]:
        if name == b"host":
            hosts += 1
        elif name == _PROBE:
            is_probe = True
        elif name == b"x-request-id" and not request_id and _REQUEST_ID.fullmatch(value):
            request_id = str(value.decode())
    return request_id or secrets.token_hex(16), hosts, is_probe


def _has_host(scope: Scope, hosts: int) -> bool:
    return hosts == 1 or (hosts == 0 and scope["http_version"] == "1.0")
