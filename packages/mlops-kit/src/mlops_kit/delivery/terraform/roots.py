"""The root of `infra/` for an ENV, and its variables from `configs/infra/`."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from mlops_kit.core import project
from mlops_kit.core.errors import UserError, did_you_mean, one_line

from ..region import region

FOLDER = Path("infra")
SETTINGS = Path("configs/infra")
BOOTSTRAP, SHARED, ENVIRONMENT = "bootstrap", "shared", "environment"
_OF_THE_ACCOUNT = (BOOTSTRAP, SHARED)
_GIVEN_BY_MAKE = {"name", "region", "environment"}
_SHORT = 15  # a load balancer's name has at most 32 characters, with the suffixes


class Root(NamedTuple):
    """A folder with Terraform, and the variables for it."""

    name: str
    folder: Path
    variables: dict[str, Any]

    @property
    def is_environment(self) -> bool:
        """Return whether it is an environment; bootstrap and shared are roots of the account."""
        return self.name not in _OF_THE_ACCOUNT


def names() -> list[str]:
    """Return the accepted values of ENV: the account's roots first, then the environments."""
    found = sorted(path.stem for path in SETTINGS.glob("*.yaml"))
    return sorted(found, key=lambda name: name not in _OF_THE_ACCOUNT)


def load(name: str) -> Root:
    """Return the root for ENV=`name`, with the variables of configs/infra/`name`.yaml.

    Raises:
        UserError: There is no such root, its YAML is invalid, or a key is not one of its variables.
    """
    if name not in names():
        raise UserError(f"ENV is {name!r}; accepted, as {SETTINGS} has them: {', '.join(names())}")
    folder = FOLDER / (name if name in _OF_THE_ACCOUNT else ENVIRONMENT)
    path = SETTINGS / f"{name}.yaml"
    settings = _read(path)
    known = set(re.findall(r'^variable "(\w+)"', (folder / "variables.tf").read_text(), re.M))
    for key in settings:
        if key not in known - _GIVEN_BY_MAKE:
            accepted = ", ".join(sorted(known - _GIVEN_BY_MAKE))
            raise UserError(
                f"{path}: unknown key {key!r}{did_you_mean(key, known)}; accepted: {accepted}"
            )
    variables = {**settings, "name": project.current().name, "region": region()}
    if name not in _OF_THE_ACCOUNT:
        variables["environment"] = name
    return Root(name, folder, variables)


def short(name: str) -> str:
    """Return a project's name in at most 15 characters, as infra/names/ shortens it."""
    if len(name) <= _SHORT:
        return name
    digest = hashlib.sha1(name.encode(), usedforsecurity=False).hexdigest()
    return f"{name[:10].removesuffix('-')}-{digest[:4]}"


def _read(path: Path) -> dict[str, Any]:
    try:
        settings = yaml.safe_load(path.read_text(encoding="utf-8-sig"))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise UserError(f"{path} is not YAML: {one_line(error)}") from None
    if not isinstance(settings, dict):
        raise UserError(f"{path} holds no settings: a mapping of keys to values is expected")
    # An empty value is null in Terraform: the variable's own default.
    return {str(key): value for key, value in settings.items()}
