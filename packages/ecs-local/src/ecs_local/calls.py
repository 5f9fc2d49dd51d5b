"""Parse requests to AWS into service and operation, and format errors in each protocol.

Source: https://smithy.io/2.0/aws/protocols/index.html
"""

from __future__ import annotations

import io
import json
import uuid
from html import escape
from typing import Any, NamedTuple
from urllib.parse import parse_qs

from werkzeug.wrappers import Response

from . import s3_operations, settings

_READING = ("Describe", "List", "Get", "BatchGet", "Lookup", "Head", "Filter", "Search")


class Call(NamedTuple):
    """A request to AWS: `operation` is empty in other services than S3 that name it only by method and path."""

    service: str
    operation: str
    region: str
    protocol: str  # json, query or rest
    method: str
    body: bytes

    @property
    def reads(self) -> bool:
        """Return whether it is read-only."""
        if self.protocol == "rest":
            return self.method in ("GET", "HEAD", "OPTIONS")
        return self.operation.startswith(_READING)


def read(environ: dict[str, Any]) -> Call:
    """Return the call in a WSGI request; its body stays readable for the next handler."""
    if environ.get("wsgi.input_terminated"):
        body = environ["wsgi.input"].read()
        environ["CONTENT_LENGTH"] = str(len(body))
    else:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = io.BytesIO(body)
    method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
    service, region = _scope(environ.get("HTTP_AUTHORIZATION", ""))
    target = environ.get("HTTP_X_AMZ_TARGET", "")
    if target:
        operation = target.rpartition(".")[2]
        return Call(service, operation, region, "json", method, body)
    if environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded"):
        action = parse_qs(body.decode("utf-8", "replace")).get("Action", [""])[0]
        return Call(service, action, region, "query", method, body)
    query = environ.get("QUERY_STRING", "")
    operation = s3_operations.find(method, path, query, environ) if service == "s3" else ""
    return Call(service, operation, region, "rest", method, body)


def refusal(call: Call, code: str, message: str, status: int) -> Response:
    """Return an error in the format of the call's service."""
    request_id = str(uuid.uuid4())
    headers = {"x-amzn-RequestId": request_id}
    if call.protocol == "json":
        # Services that once had the query protocol still send its error codes.
        headers["x-amzn-query-error"] = f"{code};{'Sender' if status < 500 else 'Receiver'}"
        body = json.dumps({"__type": code, "message": message})
        return Response(body, status, headers, content_type="application/x-amz-json-1.1")
    error = f"<Code>{escape(code)}</Code><Message>{escape(message)}</Message>"
    if call.service == "s3":
        text = f"<Error>{error}<RequestId>{request_id}</RequestId></Error>"
    else:
        side = "Sender" if status < 500 else "Receiver"
        text = (
            f"<ErrorResponse><Error><Type>{side}</Type>{error}</Error>"
            f"<RequestId>{request_id}</RequestId></ErrorResponse>"
        )
    return Response(text, status, headers, content_type="text/xml")


def _scope(authorization: str) -> tuple[str, str]:
    """Return service and region of a signature's credential scope."""
    _, found, rest = authorization.partition("Credential=")
    parts = rest.split(",")[0].split("/")
    if not found or len(parts) < 5:
        return "", settings.region()
    return parts[-2], parts[-3]
