"""IAM, as far as our policies use it: whether a document allows an action on a resource under conditions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any, NamedTuple


class Need(NamedTuple):
    """The permission that a call needs: an action on a resource, and the condition keys of the call."""

    action: str
    resource: str
    context: tuple[tuple[str, str], ...] = ()


def statements(document: dict[str, Any]) -> list[dict[str, Any]]:
    found = document["Statement"]
    return found if isinstance(found, list) else [found]


def listed(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]


def allows(statement: dict[str, Any], need: Need) -> bool:
    """Return whether one statement allows `need`."""
    if statement["Effect"] != "Allow":
        return False
    if not any(_matches(need.action, one) for one in listed(statement["Action"])):
        return False
    if not any(_matches(need.resource, one) for one in listed(statement["Resource"])):
        return False
    context = dict(need.context)
    for test, keys in statement.get("Condition", {}).items():
        assert test in ("StringEquals", "ArnEquals"), test
        if any(context.get(key) not in listed(values) for key, values in keys.items()):
            return False
    return True


def granted(document: dict[str, Any]) -> set[str]:
    """Return all actions that a document allows."""
    return {
        action
        for statement in statements(document)
        if statement["Effect"] == "Allow"
        for action in listed(statement["Action"])
    }


def role_policies(iam: Any) -> Iterator[tuple[str, dict[str, Any], list[dict[str, Any]]]]:
    """Yield each role's name, who is trusted, and its own policies."""
    for role in iam.list_roles()["Roles"]:
        name = role["RoleName"]
        names = iam.list_role_policies(RoleName=name)["PolicyNames"]
        documents = [
            iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
            for policy in names
        ]
        yield name, _parsed(role["AssumeRolePolicyDocument"]), [_parsed(one) for one in documents]


def _parsed(document: Any) -> dict[str, Any]:
    return json.loads(document) if isinstance(document, str) else document


def _matches(value: str, pattern: str) -> bool:
    return fnmatchcase(value, pattern.replace("[", "[[]"))
