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

# One thread, before any library asks: a service scales by processes, and rows are few.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import uvicorn

from mlops_kit.artifact import folder
from mlops_kit.artifact.predictor import Model, load
from mlops_kit.core.errors import UserError, ends_in_a_sentence

from . import logs
from .app import Service
from .connections import Connections
from .logs import JsonHandler, log
from .protocol import HEAD_BYTES, bounded
from .settings import load_serve


class _Server(uvicorn.Server):
    """On SIGTERM, goes on answering for `drain` seconds while everybody is asked to leave."""

    def __init__(
        self, config: uvicorn.Config, service: Service, drain: float, told: dict[str, str]
    ) -> None:
        super().__init__(config)
        self._service, self._drain, self._told = service, drain, told

    async def startup(self, sockets: Optional[list[socket.socket]] = None) -> None:
        """Tell that requests and signals are welcome now."""
        await super().startup(sockets)
        log("info", "serving", **self._told)

    def handle_exit(self, sig: int, _frame: Optional[FrameType]) -> None:
        """End at once on Ctrl-C or a second signal."""
        observed = self._service.observed
        if sig == signal.SIGTERM and not observed.draining:
            # The end comes first: whatever happens below, the process does not stay.
            signal.signal(signal.SIGALRM, self._end)
            signal.setitimer(signal.ITIMER_REAL, max(self._drain, 0.001))
            observed.draining = True
            log("info", "draining", seconds=self._drain)
        else:
            self._end()

    def _end(self, *_: object) -> None:
        self.should_exit = True


def main(arguments: list[str]) -> None:
    """Serve the model in MODEL_DIR on HOST and PORT, or only check it (--check)."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C while it loads: no traceback
    with ends_in_a_sentence():
        model = load(Path(os.environ.get("MODEL_DIR") or folder.FOLDER))
        model.check()
        if arguments == ["--check"]:
            sys.stdout.write(f"{model.name} answers its golden rows\n")
        else:
            _serve(model)


def _serve(model: Model) -> None:
    settings = load_serve()
    limits = settings.limits
    # The deployer names the image by its digest, which the image itself cannot know.
    api_key, release = os.environ.get("API_KEY", ""), os.environ.get("RELEASE", "")
    service = Service(model, limits, api_key, release, settings.record, settings.root_path or "")
    listener = _listen(os.environ.get("HOST") or "127.0.0.1", os.environ.get("PORT") or "8000")
    logging.basicConfig(handlers=[JsonHandler()], level=logging.WARNING)
    # It has a line for each request that is no HTTP; `connections` counts them.
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
    told = {"model": model.name, "format": model.card["format"], "url": url}
    # What was loaded stays: the garbage collector need not look through it again and again (a quarter of the time).
    gc.collect()
    gc.freeze()
    # Nor through every 700 values that a request holds: a body of a mebibyte may hold 300,000.
    gc.set_threshold(20_000, 10, 10)
    logs.start()
    try:
        if service.recorder:
            service.recorder.start()
        _Server(config, service, limits.drain_seconds, told).run(sockets=[listener])
        if service.recorder:
            service.recorder.close()
        log("info", "ended")
    finally:
        logs.close()


def _listen(host: str, port: str) -> socket.socket:
    """Bind before anything starts, so that a port that is taken is told in a sentence."""
    if not (port.isdecimal() and int(port) <= 65535):
        raise UserError(f"PORT is {port!r}; accepted: a whole number, 0 to 65535 (0: any free one)")
    try:
        listener = socket.create_server((host, int(port)), backlog=2048)
        # Head and body of an answer are two writes: without this the second waits 40 ms for the first one's receipt.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return listener
    except OSError as error:
        raise UserError(
            f"HOST {host}, PORT {port} cannot be had: {error.strerror or error}"
        ) from None
