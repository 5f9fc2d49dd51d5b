"""Validate requests and responses by botocore's model of ECS, which boto3's clients are generated from."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import botocore.session
from botocore.validate import ParamValidator

# Documented, but missing in the model; clients accept unknown strings.
_DOCUMENTED = ("PRE_PRODUCTION_TRAFFIC_SHIFT",)


class WrongAnswerError(Exception):
    """The emulator's response does not fit the model of ECS: a bug."""


def input_problems(operation: str, request: dict[str, Any]) -> str:
    """Return the problems of a request, or an empty string."""
    return _problems(request, _model().operation_model(operation).input_shape)


def check_answer(operation: str, answer: dict[str, Any]) -> None:
    """Check that a response is valid in ECS.

    Raises:
        WrongAnswerError: A member is unknown or missing, or a value has another type or is not in its enumeration.
    """
    shape = _model().operation_model(operation).output_shape
    problems = [_problems(answer, shape), *_unknown_names(answer, shape, "")]
    if any(problems):
        raise WrongAnswerError(f"{operation}: {' '.join(filter(None, problems))}")


def check_error(operation: str, code: str) -> None:
    """Check that the model lists an error for this operation.

    Raises:
        WrongAnswerError: The model does not list it.
    """
    listed = [shape.name for shape in _model().operation_model(operation).error_shapes]
    if code not in listed:
        raise WrongAnswerError(f"{operation}: {code} is none of {', '.join(listed)}")


def _problems(value: dict[str, Any], shape: Any) -> str:
    return " ".join(ParamValidator().validate(value, shape).generate_report().split())


def _unknown_names(value: Any, shape: Any, where: str) -> list[str]:
    """Return the problems of strings that are not in their enumeration, which botocore does not check."""
    if shape.type_name == "structure" and isinstance(value, dict):
        found = [
            _unknown_names(item, shape.members[key], f"{where}.{key}")
            for key, item in value.items()
            if key in shape.members
        ]
        return [problem for problems in found for problem in problems]
    if shape.type_name == "list" and isinstance(value, list):
        found = [_unknown_names(item, shape.member, where) for item in value]
        return [problem for problems in found for problem in problems]
    names = getattr(shape, "enum", None)
    if names and value not in names and value not in _DOCUMENTED:
        return [f"{where} is {value!r}."]
    return []


@lru_cache
def _model() -> Any:
    return botocore.session.get_session().get_service_model("ecs")
