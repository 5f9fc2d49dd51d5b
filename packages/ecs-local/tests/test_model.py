"""Errors of every operation of the emulator are those of botocore's model of ECS."""

import ast
from pathlib import Path

import botocore.session
import pytest

from ecs_local import checks, lookup, operations, queries, validation

MODEL = botocore.session.get_session().get_service_model("ecs")
MODULES = (operations, queries, checks, lookup)
# The modules of calls to other modules; all other calls raise no error of ECS.
OTHERS = {"checks": checks.__name__, "self._lookup": lookup.__name__, "answers": ""}


def functions() -> dict[str, ast.FunctionDef]:
    """Return all functions and methods of the modules in which errors are raised, by name."""
    found = {}
    for module in MODULES:
        for node in ast.walk(ast.parse(Path(module.__file__).read_text())):
            if isinstance(node, ast.FunctionDef) and node.name != "__init__":
                found[node.name, module.__name__] = node
    return found


FUNCTIONS = functions()
OPERATIONS = [
    name
    for name, module in FUNCTIONS
    if module in (operations.__name__, queries.__name__) and not name.startswith("_")
]


def codes(name: str, module: str) -> set[str]:
    """Return the codes of all errors that a function, or a function that it calls, may raise."""
    found: set[str] = set()
    for node in ast.walk(FUNCTIONS[name, module]):
        if not isinstance(node, ast.Call):
            continue
        *where, called = ast.unparse(node.func).split(".")
        if called == "EcsError":
            assert isinstance(node.args[0], ast.Constant), ast.unparse(node)
            found.add(node.args[0].value)
        other = OTHERS.get(".".join(where), module)
        if (called, other) in FUNCTIONS and (called, other) != (name, module):
            found |= codes(called, other)
    return found


def api_name(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


@pytest.mark.parametrize("name", OPERATIONS)
def test_operation_raises_only_what_the_model_lists(name):
    (module,) = [
        of for one, of in FUNCTIONS if one == name and of in (operations.__name__, queries.__name__)
    ]
    listed = {shape.name for shape in MODEL.operation_model(api_name(name)).error_shapes}
    raised = codes(name, module)
    assert raised <= listed
    for code in raised:
        validation.check_error(api_name(name), code)


def test_errors_are_followed_into_what_is_called():
    raised = codes("update_service", operations.__name__)
    assert {
        "ClusterNotFoundException",
        "ServiceNotActiveException",
        "InvalidParameterException",
    } <= raised


def test_an_error_that_the_model_does_not_list_is_caught():
    with pytest.raises(validation.WrongAnswerError, match="ConflictException is none of"):
        validation.check_error("ContinueServiceDeployment", "ConflictException")
