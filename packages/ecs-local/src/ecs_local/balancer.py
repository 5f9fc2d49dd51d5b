"""The load balancer: a proxy on a thread of its own that follows `routes`, and checks the targets' health."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Iterable
from functools import partial
from typing import Any, Optional

import aiohttp
import uvloop
from aiohttp import web
from aiohttp.client_proto import ResponseHandler
from multidict import CIMultiDict
from yarl import URL

from . import settings
from .routes import Routes, Target

_CHECK_EVERY = 0.2  # seconds between two health checks of a target
_CHECK_TIMEOUT = 2.0  # seconds
_WHOLE = 1 << 20  # bytes of a body up to which it is forwarded in one piece
# Seconds: an ALB's default idle timeout, and the delay of a close. A target that closes a connection earlier loses
# requests that were sent before the close arrived, which on a busy network is late.
# Source: https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_LoadBalancerAttribute.html
_IDLE, _LATE = 60.0, 0.1
_HOP_BY_HOP = frozenset(
    (
        "connection",
        "expect",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    )
)
_MESSAGES = {
    404: "no rule of this listener matches",
    502: "the target broke the connection",
    503: "no target of the chosen target group is healthy",
}


class Balancer:
    """Listens on the port of every listener, and as a proxy on `front` for clients that use a load balancer's name."""

    def __init__(self, routes: Routes, front: int) -> None:
        self._routes = routes
        self._front = front
        self._loop = uvloop.new_event_loop()
        self._servers: dict[int, Optional[asyncio.AbstractServer]] = {}
        self._watches: dict[Target, asyncio.Task[None]] = {}
        self._session: aiohttp.ClientSession
        self._checks: aiohttp.ClientSession  # separate, or checks would use the users' connections
        self._ready = threading.Event()
        threading.Thread(target=self._run, name="balancer", daemon=True).start()
        self._ready.wait()

    def listen(self, ports: Iterable[int]) -> None:
        """Listen on these ports, on `front` and on no other."""
        wanted = {self._front, *ports}
        asyncio.run_coroutine_threadsafe(self._listen(wanted), self._loop).result()

    def watch(self, target: Target) -> None:
        """Check the health of a target from now on."""

        def start() -> None:
            self._watches[target] = self._loop.create_task(self._watch(target))

        self._loop.call_soon_threadsafe(start)

    def forget(self, target: Target) -> None:
        """Stop checking the health of a target."""

        def stop() -> None:
            watch = self._watches.pop(target, None)
            if watch:
                watch.cancel()

        self._loop.call_soon_threadsafe(stop)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._open())
        self._ready.set()
        self._loop.run_forever()

    async def _open(self) -> None:
        self._checks = aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True))
        self._session = aiohttp.ClientSession(
            connector=_Connector(limit=0, keepalive_timeout=_IDLE),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CHECK_TIMEOUT, sock_read=60),
            auto_decompress=False,
            skip_auto_headers=("Accept", "Accept-Encoding", "Content-Type", "User-Agent"),
        )
        self._session._retry_connection = False  # an ALB does not retry requests

    async def _listen(self, ports: set[int]) -> None:
        for port in set(self._servers) - ports:
            server = self._servers.pop(port)
            if server:
                server.close()
        for port in ports - set(self._servers):
            try:
                self._servers[port] = await self._loop.create_server(
                    self._handler(port), settings.HOST, port
                )
            except OSError as error:
                self._servers[port] = None
                sys.stderr.write(f"listener on port {port}: {error.strerror}\n")

    def _handler(self, port: int) -> web.Server[web.BaseRequest]:
        async def answer(request: web.BaseRequest) -> web.StreamResponse:
            listener = _listener_port(request, port)
            target, status = self._routes.pick(listener, request.rel_url.raw_path)
            if target is None:
                return _refused(status)
            target.in_flight += 1
            try:
                return await self._forward(request, target, listener)
            finally:
                target.in_flight -= 1

        return web.Server(answer, access_log=None)

    async def _forward(
        self, request: web.BaseRequest, target: Target, port: int
    ) -> web.StreamResponse:
        path = request.rel_url.raw_path_qs
        url = URL(f"http://{settings.HOST}:{target.port}{path}", encoded=True)
        headers = _end_to_end(request.headers)
        headers["X-Forwarded-For"] = request.remote or settings.HOST
        headers["X-Forwarded-Port"] = str(port)
        headers["X-Forwarded-Proto"] = "http"
        body: Optional[bytes | aiohttp.StreamReader] = None
        if request.body_exists:
            whole = request.content_length is not None and request.content_length <= _WHOLE
            body = await request.read() if whole else request.content
        try:
            answer = await self._session.request(
                request.method, url, headers=headers, data=body, allow_redirects=False
            )
        except (aiohttp.ClientError, TimeoutError, asyncio.TimeoutError):
            return _refused(502)
        async with answer:
            return await _pass_on(request, answer)

    async def _watch(self, target: Target) -> None:
        url = URL(f"http://{settings.HOST}:{target.port}{target.path}")
        timeout = aiohttp.ClientTimeout(total=_CHECK_TIMEOUT)
        while True:
            try:
                async with self._checks.get(url, timeout=timeout) as answer:
                    target.add_check(answer.status)
            except (aiohttp.ClientError, TimeoutError, asyncio.TimeoutError):
                target.add_check(None)
            await asyncio.sleep(_CHECK_EVERY)


class _Connector(aiohttp.TCPConnector):  # type: ignore[misc] # aiohttp is not typed here
    """Connections to targets, with a delayed reaction to a close by the target."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._factory = partial(_LateClose, loop=self._loop)


class _LateClose(ResponseHandler):  # type: ignore[misc] # aiohttp is not typed here
    """A connection that stays open for a moment after the other side has closed."""

    def eof_received(self) -> bool:
        """Close our own side after `_LATE` seconds."""
        if self.transport is not None:
            self._loop.call_later(_LATE, self.transport.close)
        return True


def _listener_port(request: web.BaseRequest, port: int) -> int:
    """Return the listener's port: that of the address for clients that use us as a proxy (HTTP_PROXY), else `port`.

    So clients reach a load balancer by its DNS name in AWS, which this machine cannot resolve.
    """
    is_proxied = request.raw_path.startswith("http://")
    return request.url.port or port if is_proxied else port


async def _pass_on(request: web.BaseRequest, answer: aiohttp.ClientResponse) -> web.StreamResponse:
    headers = _end_to_end(answer.headers)
    if request.method == "HEAD" or (answer.content_length or _WHOLE + 1) <= _WHOLE:
        try:
            data = await answer.read()
        except aiohttp.ClientError:
            return _refused(502)
        body = data if request.method != "HEAD" else None
        return web.Response(status=answer.status, reason=answer.reason, headers=headers, body=body)
    streamed = web.StreamResponse(status=answer.status, reason=answer.reason, headers=headers)
    await streamed.prepare(request)
    # If the target breaks now, the status is sent already: the error ends the client's connection.
    async for chunk in answer.content.iter_any():
        await streamed.write(chunk)
    await streamed.write_eof()
    return streamed


def _end_to_end(headers: CIMultiDict[str]) -> CIMultiDict[str]:
    """Return the end-to-end headers, without hop-by-hop ones (RFC 9110, 7.6.1)."""
    named = {name.strip().lower() for name in headers.get("Connection", "").split(",")}
    return CIMultiDict(
        (name, value)
        for name, value in headers.items()
        if name.lower() not in _HOP_BY_HOP and name.lower() not in named
    )


def _refused(status: int) -> web.Response:
    return web.json_response({"message": _MESSAGES.get(status, "fixed response")}, status=status)
