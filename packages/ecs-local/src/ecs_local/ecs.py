"""The emulator's own part of ECS: services, their deployments and their tasks."""

from __future__ import annotations

import json
from typing import Any

from werkzeug.wrappers import Response

from . import calls, validation
from .lookup import EcsError
from .operations import Operations
from .queries import Queries
from .records import State


class Ecs:
    """Handles these operations; clusters and task definitions are left to moto."""

    def __init__(self, state: State, queries: Queries, operations: Operations) -> None:
        self._state = state
        self._operations = {
            _api_name(name): getattr(part, name)
            for part in (queries, operations)
            for name in vars(type(part))
            if not name.startswith("_")
        }

    def has(self, call: calls.Call) -> bool:
        """Return whether the emulator handles the call itself."""
        return call.service == "ecs" and call.operation in self._operations

    def answer(self, call: calls.Call) -> Response:
        """Return the response to a call; changes are on the disk before it is sent."""
        try:
            return self._answer(call, json.loads(call.body or b"{}"))
        except json.JSONDecodeError as error:
            return calls.refusal(call, "SerializationException", str(error), 400)
        except validation.WrongAnswerError as error:
            return calls.refusal(call, "ServerException", f"the emulator is wrong: {error}", 500)

    def _answer(self, call: calls.Call, request: dict[str, Any]) -> Response:
        try:
            problems = validation.input_problems(call.operation, request)
            if problems:
                raise EcsError("InvalidParameterException", problems)
            with self._state.lock:
                answer = self._operations[call.operation](call.region, request)
                answer = json.loads(json.dumps(answer))
                self._state.save()
        except EcsError as error:
            validation.check_error(call.operation, error.code)
            return calls.refusal(call, error.code, str(error), 400)
        validation.check_answer(call.operation, answer)
        return Response(json.dumps(answer), content_type="application/x-amz-json-1.1")


def _api_name(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))
