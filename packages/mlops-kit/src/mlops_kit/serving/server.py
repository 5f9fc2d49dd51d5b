"""Run the service: the subcommand `serve`, here and in the image."""

from __future__ import annotations

import gc
import logging
import math
import os
import signal
import socket
import sys
from pathlib import Path
from types import FrameType
from typing import Optional

# One thread, set before any library reads the variable: a service scales by processes, and rows are few.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import uvicorn

from mlops_kit.artifact import folder
from mlops_kit.artifact.predictor import Model, load
from mlops_kit.core.errors import UserError, exit_on_error

from . import challenger, logs
from .app import Service
from .connections import Connections
from .logs import JsonHandler, log
from .protocol import HEAD_BYTES, bounded
from .settings import SHARE, ServeConfig, load_serve

_CHECK = "--check"


class _Server(uvicorn.Server):
    """A server that on SIGTERM continues to respond for `drain` seconds, closing each connection after its response."""

    def __init__(
        self, config: uvicorn.Config, service: Service, drain: float, details: dict[str, str]
    ) -> None:
        super().__init__(config)
        self._service, self._drain, self._details = service, drain, details

    async def startup(self, sockets: Optional[list[socket.socket]] = None) -> None:
        """Start, and log that requests and signals are accepted now."""
        await super().startup(sockets)
        log("info", "serving", **self._details)

    def handle_exit(self, sig: int, _frame: Optional[FrameType]) -> None:
        """Drain on SIGTERM; end at once on Ctrl-C or a second signal."""
        observed = self._service.observed
        if sig == signal.SIGTERM and not observed.draining:
            # The timer is set first, so that the process ends even after an error below.
            signal.signal(signal.SIGALRM, self._end)
            signal.setitimer(signal.ITIMER_REAL, max(self._drain, 0.001))
            observed.draining = True
            log("info", "draining", seconds=self._drain)
        else:
            self._end()

    def _end(self, *_: object) -> None:
        self.should_exit = True


def main(arguments: list[str]) -> None:
    """Serve the model in MODEL_DIR on HOST and PORT, only check it (--check), or run its challenger (--challenger).

    Other arguments are refused: a misspelt --check must not start a service.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C during loading prints no traceback
    place = _place()
    with exit_on_error():
        if arguments not in ([], [_CHECK], [challenger.OPTION]):
            raise UserError(
                f"serve is given {' '.join(arguments)!r}; accepted: nothing, {_CHECK}, {challenger.OPTION} or --ship"
            )
        if arguments == [challenger.OPTION]:
            challenger.main(place, load_serve())
            return
        model = load(place)
        model.check()
        if arguments == [_CHECK]:
            if model.card["challenger"]:
                load(place / folder.CHALLENGER).check()
            sys.stdout.write(f"{model.name} answers its golden rows\n")
        else:
            _serve(model)


def _serve(model: Model) -> None:
    settings = load_serve()
    limits = settings.limits
    # The deployer sets the image's digest, which the image itself cannot know.
    api_key, release = os.environ.get("API_KEY", ""), os.environ.get("RELEASE", "")
    service = Service(
        model,
        limits,
        api_key,
        release,
        settings.record,
        settings.root_path or "",
        settings.challenger if model.card["challenger"] else None,
        _variant(settings, model),
    )
    listener = _listen(os.environ.get("HOST") or "127.0.0.1", os.environ.get("PORT") or "8000")
    logging.basicConfig(handlers=[JsonHandler()], level=logging.WARNING)
    # uvicorn would log a line for each invalid request; `connections` counts them.
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
    connections = Connections(limits.connections, limits.seconds, service.measures)
    config = uvicorn.Config(
        service.observed,
        http=bounded(connections),
        h11_max_incomplete_event_size=HEAD_BYTES,
        ws="none",
        timeout_keep_alive=limits.keep_alive_seconds,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=math.ceil(limits.seconds),
    )
    host, port = listener.getsockname()[:2]
    url = f"http://{host}:{port}"
    details = {"model": model.name, "format": model.card["format"], "url": url}
    # Loaded objects live on, so the garbage collector need not traverse them each time (a quarter of the time).
    gc.collect()
    gc.freeze()
    # Nor need it run after every 700 new objects: a body of a mebibyte may hold 300,000 values.
    gc.set_threshold(20_000, 10, 10)
    logs.start()
    try:
        threads = [
            thread for thread in (service.recorder, service.shadow, service.variant) if thread
        ]
        for thread in threads:
            thread.start()
        _Server(config, service, limits.drain_seconds, details).run(sockets=[listener])
        for thread in threads:
            thread.close()
        log("info", "ended")
    finally:
        logs.close()


def _variant(settings: ServeConfig, model: Model) -> Optional[Model]:
    """Return the challenger that predicts a share of the requests; log an error and return None where it cannot be loaded."""
    if settings.challenger.mode != SHARE or not model.card["challenger"]:
        return None
    try:
        variant = load(_place() / folder.CHALLENGER)
        variant.check()
    except UserError as error:
        log("error", "no challenger", error=str(error))
        return None
    return variant


def _place() -> Path:
    return Path(os.environ.get("MODEL_DIR") or folder.FOLDER)


def _listen(host: str, port: str) -> socket.socket:
    """Bind the socket before anything starts, so that a port in use is an error of one sentence.

    Raises:
        UserError: The port is invalid or in use, or the host is not one of this machine.
    """
    if not (port.isdecimal() and int(port) <= 65535):
        raise UserError(f"PORT is {port!r}; accepted: a whole number, 0 to 65535 (0: any free one)")
    try:
        listener = socket.create_server((host, int(port)), backlog=2048)
        # Nagle's algorithm would hold a response right after another back for 40 ms, until the first one's ACK.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return listener
    except OSError as error:
        raise UserError(
            f"HOST {host}, PORT {port} cannot be had: {error.strerror or error}"
        ) from None
