"""Read configs/*.yaml, apply SET, and say in a sentence what is wrong."""

from __future__ import annotations

import json
import os
import re
import reprlib
import shlex
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from .config import (
    CHAMPION,
    CiPricesConfig,
    ModelCardConfig,
    MonitorConfig,
    SearchConfig,
    ServeConfig,
    TrainConfig,
)
from .deployment.config import DeployConfig
from .errors import UserError, did_you_mean, one_line

TRAIN = Path("configs/train.yaml")
SERVE = Path("configs/serve.yaml")
DEPLOY = Path("configs/deploy")
CI_PRICES = Path("configs/ci-prices.yaml")
MODEL_CARD = Path("configs/model-card.yaml")
MONITOR = Path("configs/monitor.yaml")
SEARCH = Path("configs/search.yaml")

# What each holds; DEPLOY is a folder of such files, one for each environment.
KINDS: dict[Path, type[BaseModel]] = {
    TRAIN: TrainConfig,
    SERVE: ServeConfig,
    DEPLOY: DeployConfig,
    CI_PRICES: CiPricesConfig,
    MODEL_CARD: ModelCardConfig,
    MONITOR: MonitorConfig,
    SEARCH: SearchConfig,
}

_Config = TypeVar("_Config", bound=BaseModel)

# PyYAML raises more than its own: ValueError for 2026-13-45, RecursionError for thousands of brackets.
_NOT_YAML = (yaml.YAMLError, ValueError, RecursionError)


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, but 1e-3 is a number, as in YAML 1.2; PyYAML wants 1.0e-3."""


_Loader.add_implicit_resolver(  # type: ignore[no-untyped-call] # types-pyyaml leaves it out
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?([0-9]+\.?|[0-9]*\.[0-9]+)[eE][-+]?[0-9]+$"),
    list("-+.0123456789"),
)


def load(path: Path, overrides: str = "") -> TrainConfig:
    """Read `path` and apply `overrides`, blank-separated `dotted.key=value` pairs with YAML values.

    Raises:
        UserError: The file is missing or no YAML mapping, or a key or value is not accepted; the
            sentence lists every such key.
    """
    if not path.is_file():
        raise UserError(f"configs file {path} not found (give CONFIG=…)")
    return _checked(TrainConfig, path, overrides, "SET")


def model_name(model: str, path: Path, overrides: str) -> tuple[str, str]:
    """Return name and alias of the variable MODEL; if it is empty, the champion of what `path` trains.

    Raises:
        UserError: MODEL is no name@alias; else as `load`.
    """
    name, _, alias = model.partition("@")
    if model and not (name and alias):
        raise UserError(f"MODEL is {model!r}; accepted: name@alias, like churn@champion")
    return (name, alias) if model else (load(path, overrides).registered_model, CHAMPION)


def load_serve() -> ServeConfig:
    """Read configs/serve.yaml and apply the variable SERVE_SET; without the file, the defaults hold.

    Raises:
        UserError: As `load`.
    """
    return _checked(ServeConfig, SERVE, os.environ.get("SERVE_SET", ""), "SERVE_SET")


def load_deploy(environment: str) -> DeployConfig:
    """Read configs/deploy/ENV.yaml and apply the variable DEPLOY_SET.

    Raises:
        UserError: There is no such environment; else as `load`.
    """
    path = DEPLOY / f"{environment}.yaml"
    if not (environment.replace("-", "").isalnum() and path.is_file()):
        known = ", ".join(sorted(each.stem for each in DEPLOY.glob("*.yaml")))
        raise UserError(f"ENV is {environment!r}; accepted, as {DEPLOY} has them: {known}")
    return _checked(DeployConfig, path, os.environ.get("DEPLOY_SET", ""), "DEPLOY_SET")


def load_ci_prices() -> CiPricesConfig:
    """Read configs/ci-prices.yaml.

    Raises:
        UserError: As `load`.
    """
    return _checked(CiPricesConfig, CI_PRICES, "", "")


def load_model_card() -> ModelCardConfig:
    """Read configs/model-card.yaml; without the file, nothing is written yet.

    Raises:
        UserError: As `load`.
    """
    return _checked(ModelCardConfig, MODEL_CARD, "", "")


def load_monitor() -> MonitorConfig:
    """Read configs/monitor.yaml and apply the variable MONITOR_SET; without the file, the defaults hold.

    Raises:
        UserError: As `load`.
    """
    return _checked(MonitorConfig, MONITOR, os.environ.get("MONITOR_SET", ""), "MONITOR_SET")


def load_search() -> SearchConfig:
    """Read configs/search.yaml and apply the variable SEARCH_SET.

    Raises:
        UserError: As `load`.
    """
    return _checked(SearchConfig, SEARCH, os.environ.get("SEARCH_SET", ""), "SEARCH_SET")


def schema(kind: type[BaseModel]) -> str:
    """Return the JSON schema of a config file, for editors."""
    return json.dumps(kind.model_json_schema(), indent=2) + "\n"


def _checked(kind: type[_Config], path: Path, overrides: str, variable: str) -> _Config:
    settings = _read(path) if path.is_file() else {}
    changed = _override(settings, overrides, variable)
    try:
        return kind.model_validate(settings)
    except ValidationError as error:
        told = []
        for problem in error.errors():
            origin = variable if _is_changed(problem, changed) else str(path)
            told.append(f"{origin}: {_sentence(kind, dict(problem))}")
        raise UserError("; ".join(told)) from None


def _read(path: Path) -> dict[str, Any]:
    try:
        settings = _parse(path.read_text(encoding="utf-8-sig"))
    except _NOT_YAML as error:
        raise UserError(f"{path} is not YAML: {one_line(error)}") from None
    if not isinstance(settings, dict):
        raise UserError(f"{path} holds no settings: a mapping of keys to values is expected")
    return settings


def _parse(text: str) -> Any:
    return yaml.load(text, _Loader)  # nosec B506 # a SafeLoader with one more number format


def _override(settings: dict[str, Any], overrides: str, variable: str) -> set[str]:
    try:
        words = shlex.split(overrides)
    except ValueError as error:
        raise UserError(f"{variable}={overrides} cannot be read: {error}") from None
    changed = set()
    for word in words:
        key, equals, value = word.partition("=")
        if not (key and equals):
            raise UserError(
                f"{variable} has {word!r}; accepted: key=value, like model.params.max_iter=300"
            )
        *parents, last = key.split(".")
        place = settings
        for parent in parents:
            if place.get(parent) is None:
                place[parent] = {}
            place = place[parent]
            if not isinstance(place, dict):
                raise UserError(
                    f"{variable} has {word!r}, but {parent!r} is a value and has no keys"
                )
        try:
            place[last] = _parse(value)
        except _NOT_YAML:
            raise UserError(
                f"{variable} has {word!r}, whose value is not YAML (quote what has blanks: 'key=[a, b]')"
            ) from None
        changed.add(key)
    return changed


def _is_changed(problem: Any, changed: set[str]) -> bool:
    return any(_same_branch(_key(problem), name) for name in changed)


def _key(problem: Any) -> str:
    # What is wrong between keys has no place of its own; its message begins with a key.
    return ".".join(str(part) for part in problem["loc"]) or _message(problem).split()[0]


def _message(problem: Any) -> str:
    return str(problem["msg"]).split(", ", 1)[-1]


def _sentence(kind: type[BaseModel], problem: dict[str, Any]) -> str:
    where, key = [str(part) for part in problem["loc"]], _key(problem)
    fields = _fields(kind, where[:-1])
    if problem["type"] in ("extra_forbidden", "invalid_key"):
        elsewhere = [name for name in _all_keys(kind) if name.split(".")[-1] == where[-1]]
        nearest = did_you_mean(key, elsewhere) or did_you_mean(where[-1], fields)
        return f"unknown key {key!r}{nearest}"
    if problem["type"] == "missing":
        return f"{key!r} is missing; accepted: {fields[where[-1]]}"
    if not where:
        return _message(problem)
    accepted = _accepted(kind, where) or problem["msg"]
    return f"{key} is {reprlib.repr(problem['input'])}; accepted: {accepted}"


def _same_branch(key: str, other: str) -> bool:
    return f"{key}.".startswith(f"{other}.") or f"{other}.".startswith(f"{key}.")


def _accepted(kind: type[BaseModel], where: list[str]) -> str:
    """Return the description of the deepest field on the way: list items and dict keys have none."""
    for depth in range(len(where), 0, -1):
        fields = _fields(kind, where[: depth - 1])
        if where[depth - 1] in fields:
            return fields[where[depth - 1]]
    return ""


def _fields(kind: type[BaseModel], where: list[str]) -> dict[str, str]:
    """Return the names and descriptions of the keys that the section at `where` accepts."""
    section: Any = kind
    for part in where:
        field = section.model_fields.get(part)
        kinds = [field.annotation, *getattr(field.annotation, "__args__", ())] if field else []
        models = [k for k in kinds if isinstance(k, type) and issubclass(k, BaseModel)]
        if not models:
            return {}
        section = models[0]
    return {name: field.description or "" for name, field in section.model_fields.items()}


def _all_keys(kind: type[BaseModel], section: tuple[str, ...] = ()) -> list[str]:
    keys = [".".join((*section, name)) for name in _fields(kind, list(section))]
    return keys + [deeper for key in keys for deeper in _all_keys(kind, tuple(key.split(".")))]
