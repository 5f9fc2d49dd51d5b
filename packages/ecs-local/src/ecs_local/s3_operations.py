"""Find the operation of a request to S3, by botocore's model: only method, path, query and headers identify it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import parse_qsl

import botocore.session

_LEVELS = ("", "{Bucket}", "{Bucket}/{Key+}")  # of the path: the account, a bucket, an object


class _Operation(NamedTuple):
    name: str
    method: str
    level: str
    query: frozenset[str]  # parameters that it must have
    headers: frozenset[str]


def find(method: str, path: str, query: str, headers: Mapping[str, str]) -> str:
    """Return the operation, or an empty string for an unknown one; `headers` have the names of WSGI."""
    bucket, _, key = path.lstrip("/").partition("/")
    level = _LEVELS[bool(bucket) + bool(key)]
    names = {name for name, _ in parse_qsl(query, keep_blank_values=True)}
    found = [
        operation
        for operation in _operations()
        if (operation.method, operation.level) == (method, level)
        and operation.query <= names
        and operation.headers <= headers.keys()
    ]
    # The one that needs most: GetBucketLocation has the path of ListObjects.
    found.sort(key=lambda operation: len(operation.query) + len(operation.headers), reverse=True)
    return found[0].name if found else ""


@lru_cache
def _operations() -> list[_Operation]:
    model = botocore.session.get_session().get_service_model("s3")
    found = []
    for name in sorted(model.operation_names):
        operation = model.operation_model(name)
        if operation.deprecated:
            continue  # a newer one has the same requests
        path, _, query = operation.http["requestUri"].partition("?")
        needed = {"querystring": {pair for pair, _ in parse_qsl(query, keep_blank_values=True)}}
        shape = operation.input_shape
        for member in shape.required_members if shape else ():
            where = shape.members[member].serialization
            needed.setdefault(where.get("location", ""), set()).add(where.get("name", ""))
        headers = (f"HTTP_{each.upper().replace('-', '_')}" for each in needed.get("header", ()))
        method, level = operation.http["method"], path.strip("/")
        parameters = frozenset(needed["querystring"])
        found.append(_Operation(name, method, level, parameters, frozenset(headers)))
    return found
