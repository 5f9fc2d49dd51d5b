"""Moto with persistence: it handles one request at a time, and writes are added to the journal first."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from functools import cache
from typing import Any

import boto3
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.config import Config
from moto.core.botocore_stubber import MockRawResponse
from moto.moto_api._internal import mock_random
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.test import EnvironBuilder, run_wsgi_app
from werkzeug.wrappers import Response

from . import calls, settings
from .journal import Journal

# Not in the journal: they grow without limit, and the tasks' log files have the same lines.
_NOT_KEPT = ("PutLogEvents", "CreateLogStream")


class Aws:
    """Every AWS service except the emulator's part of ECS."""

    def __init__(self, journal: Journal, url: str) -> None:
        self._journal = journal
        self.url = url
        self._moto = DomainDispatcherApplication(create_backend_app)
        self._lock = threading.Lock()
        self.balancers_changed = True

    def replay(self) -> int:
        """Replay the journal into moto; return the number of requests."""
        for number, environ in self._journal.replay():
            mock_random.seed(number)
            run_wsgi_app(self._moto, environ, buffered=True)
        return self._journal.next_number

    def answer(self, call: calls.Call, environ: dict[str, Any]) -> Response:
        """Return moto's response to a request.

        Reads are serialized, too: they draw random numbers, so a replayed write would otherwise draw different ones.
        """
        with self._lock:
            if not call.reads and call.operation not in _NOT_KEPT:
                mock_random.seed(self._journal.add(environ, call.body))
                self.balancers_changed |= call.service == "elasticloadbalancing"
            body, status, headers = run_wsgi_app(self._moto, environ, buffered=True)
            return Response(_joined(body), status, headers)

    @cache  # noqa: B019 # there is one for the lifetime of the process
    def client(self, service: str, region: str) -> Any:
        """Return a boto3 client whose requests come here without a socket and without injected faults."""
        client = boto3.client(
            service,
            region_name=region,
            endpoint_url=self.url,
            aws_access_key_id="local",
            aws_secret_access_key="local",  # nosec B106 # moto accepts every key
            config=Config(retries={"total_max_attempts": 1}),
        )
        client.meta.events.register("before-send.*", self._send)
        return client

    def _send(self, request: Any, **_: Any) -> Any:
        body = request.body.read() if hasattr(request.body, "read") else request.body or b""
        builder = EnvironBuilder(
            path=request.url,
            method=request.method,
            headers=[(key, _text(value)) for key, value in request.headers.items()],
            data=body.encode() if isinstance(body, str) else body,
        )
        environ = builder.get_environ()
        response = self.answer(calls.read(environ), environ)
        raw = MockRawResponse(response.get_data())
        return AWSResponse(
            request.url, response.status_code, HTTPHeaders.from_pairs(response.headers), raw
        )


def _joined(body: Iterable[bytes]) -> bytes:
    return b"".join(body)


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def region_of(arn: str) -> str:
    """Return the region in an ARN."""
    return arn.split(":")[3] or settings.region()
