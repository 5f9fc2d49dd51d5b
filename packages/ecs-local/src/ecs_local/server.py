"""The emulator's process: AWS's API, the image registry and its own control API on one port."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterable
from types import FrameType
from typing import Any, Optional

from moto.moto_server.werkzeug_app import MotoRequestHandler
from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

from . import budgets, calls, patches, running, settings
from .aws import Aws
from .balancer import Balancer
from .ecs import Ecs
from .engine import Engine
from .errors import UserError
from .faults import Faults
from .images import Images
from .journal import Journal
from .launcher import Launcher
from .lifecycle import Lifecycle
from .lookup import Lookup
from .operations import Operations
from .queries import Queries
from .records import State
from .registry import Registry
from .routes import Routes
from .scheduler import Scheduler
from .tasks import Tasks
from .traffic import Traffic
from .worlds import Worlds


class Server:
    """The WSGI application: dispatches requests to ECS, moto, the registry and the control API."""

    def __init__(
        self,
        given: settings.Settings,
        aws: Aws,
        ecs: Ecs,
        registry: Registry,
        faults: Faults,
        worlds: Worlds,
    ) -> None:
        self._given, self._worlds = given, worlds
        self._aws, self._ecs, self._registry, self._faults = aws, ecs, registry, faults

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        """Handle a WSGI request."""
        response: Iterable[bytes] = self._answer(environ)(environ, start_response)
        return response

    def _answer(self, environ: dict[str, Any]) -> Response:
        path = environ["PATH_INFO"]
        if path.startswith("/_local/"):
            return self._control(Request(environ))
        # SES has paths under /v2/, too, but only a request to AWS is signed.
        if path.startswith("/v2/") and "AWS4-" not in environ.get("HTTP_AUTHORIZATION", ""):
            return self._registry.answer(Request(environ))
        call = calls.read(environ)
        refusal = self._faults.of_call(call)
        if refusal is None:
            return self._execute(call, environ)
        if refusal.is_late:
            self._execute(call, environ)  # its response is dropped
        message = f"{call.operation} fails, as ordered"
        return calls.refusal(call, refusal.code, message, refusal.status)

    def _execute(self, call: calls.Call, environ: dict[str, Any]) -> Response:
        if self._ecs.has(call):
            return self._ecs.answer(call)
        return self._aws.answer(call, environ)

    def _control(self, request: Request) -> Response:
        if request.path == "/_local/health" and request.method == "GET":
            whose = {
                "folder": str(self._given.folder),
                "pid": os.getpid(),
                "region": settings.region(),
                "minute": self._given.minute,
            }
            return _json({"status": "ok", **whose, "limits": settings.LIMITS})
        if request.path not in ("/_local/faults", "/_local/worlds"):
            accepted = "accepted: health, faults, worlds"
            return _json({"error": f"{request.path} is no path; {accepted}"}, 404)
        try:
            if request.path == "/_local/worlds":
                return _json(self._worlds.choose({} if request.method == "GET" else _body(request)))
            return self._order(request)
        except ValueError as error:
            return _json({"error": str(error)}, 400)

    def _order(self, request: Request) -> Response:
        if request.method == "GET":
            return _json({"faults": self._faults.all()})
        if request.method == "DELETE":
            self._faults.clear()
            return _json({"faults": []})
        return _json(self._faults.add(_body(request)), 201)


class _Handler(MotoRequestHandler):  # type: ignore[misc] # moto is not typed here
    """Keeps connections open, and does not log each request."""

    protocol_version = "HTTP/1.1"

    def log(self, type: str, message: str, *arguments: Any) -> None:  # noqa: A002 # werkzeug's name
        if type == "error":
            sys.stderr.write(f"{message % arguments}\n")

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Write nothing."""


def serve(given: settings.Settings, answers: dict[str, str]) -> None:
    """Run until SIGTERM or Ctrl-C, then kill all tasks; `answers` choose undocumented behaviours (worlds.py).

    Raises:
        UserError: The port is taken or not that of the stored state, or the state is damaged.
    """
    settings.check_port(given)
    listener = _listen(given.port)
    settings.keep_port(given)
    running.note(given)
    state = State(given.folder / "state.json")
    state.load()
    routes = Routes()
    _patch(given, state, routes)
    aws = Aws(Journal(given.folder / "journal.jsonl"), given.url)
    replayed = aws.replay()
    images = Images(given.folder)
    balancer = Balancer(routes, given.production_port)
    launcher = Launcher(given.folder, images, aws)
    tasks = Tasks(state, aws, launcher, routes, balancer, given.minute)
    traffic, lookup = Traffic(state, aws), Lookup(state, aws)
    worlds = Worlds()
    worlds.choose(answers)
    lifecycle = Lifecycle(state, aws, traffic, worlds, given.minute)
    engine = Engine(state, aws, tasks, Scheduler(state, tasks), lifecycle, routes, balancer)
    operations = Operations(state, aws, lookup, lifecycle, traffic, tasks)
    ecs = Ecs(state, Queries(state, lookup), operations)
    region = settings.region()
    registry = Registry(images, given.folder / "uploads", lambda: aws.client("ecr", region))
    engine.start()
    server = make_server(
        settings.HOST,
        given.port,
        Server(given, aws, ecs, registry, Faults(state), worlds),
        threaded=True,
        request_handler=_Handler,
        fd=listener.fileno(),
    )
    print(f"serving on {given.url}; {replayed} requests replayed; {settings.LIMITS}", flush=True)

    def end(_number: int, _frame: Optional[FrameType]) -> None:
        threading.Thread(
            target=server.shutdown
        ).start()  # from another thread, or it would deadlock

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    server.serve_forever(poll_interval=0.1)
    engine.end()


def _patch(given: settings.Settings, state: State, routes: Routes) -> None:
    def exists(cluster: str, name: str) -> bool:
        # No lock: moto calls this while it holds its own lock, for which the engine may wait.
        services = list(state.services.values())
        return any(
            service.name == name and service.cluster.endswith(f"/{cluster}") for service in services
        )

    patches.repeatable_rule_arns()
    patches.as_if_encrypted()
    budgets.complete()
    patches.real_target_health(routes.health)
    patches.local_registry(given.url)
    patches.scans_on_push_find_nothing()
    patches.own_services(exists)
    patches.parameters_by_arn()


def _listen(port: int) -> socket.socket:
    try:
        return socket.create_server((settings.HOST, port), backlog=128)
    except OSError as error:
        raise UserError(
            f"LOCAL_PORT {port} cannot be had: {os.strerror(error.errno or 0)}"
        ) from None


def _body(request: Request) -> dict[str, Any]:
    found = json.loads(request.get_data())
    if not isinstance(found, dict):
        raise ValueError("the body is no JSON object")
    return found


def _json(value: dict[str, Any], status: int = 200) -> Response:
    return Response(json.dumps(value), status, content_type="application/json")
