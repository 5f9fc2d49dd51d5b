"""Load configs/*.yaml, apply SET, and report errors in one sentence; each package defines its own sections."""

from __future__ import annotations

import json
import re
import reprlib
import shlex
from pathlib import Path
from typing import Annotated, Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from .errors import UserError, did_you_mean, one_line

# The description of each field is what it accepts, with the unit: errors print it, editors and the docs show it.
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._ -]{0,99}$")]
NAME = "letters, digits, spaces and . _ - (at most 100, the first a letter or digit)"
COLUMN_NAMES = "a list of column names (quote a number)"


class Section(BaseModel):
    """A section of a config file: strict types, immutable, no unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


_Config = TypeVar("_Config", bound=BaseModel)

# PyYAML raises more than YAMLError: ValueError for 2026-13-45, RecursionError for thousands of brackets.
_NOT_YAML = (yaml.YAMLError, ValueError, RecursionError)


# No plain YAML value begins with these characters. In SET, a value that does is a string: data.decimal=, or
# data.comment=# or data.dates.since=%d/%m/%Y.
_TEXT_BEGINS = frozenset(",%@`#")


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, but 1e-3 is a number, as in YAML 1.2; PyYAML wants 1.0e-3."""


_Loader.add_implicit_resolver(  # type: ignore[no-untyped-call] # types-pyyaml leaves it out
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?([0-9]+\.?|[0-9]*\.[0-9]+)[eE][-+]?[0-9]+$"),
    list("-+.0123456789"),
)


def load(kind: type[_Config], path: Path, overrides: str = "", variable: str = "") -> _Config:
    """Read `path`, apply `overrides`, and return them validated as a config of class `kind`.

    `overrides` are `dotted.key=value` pairs with YAML values, separated by spaces; errors name `variable` as their
    source. If the file does not exist, the defaults apply.

    Raises:
        UserError: The file is not a YAML mapping, or keys or values are not accepted; the message lists all of them.
    """
    settings = _read(path) if path.is_file() else {}
    changed = _override(settings, overrides, variable)
    try:
        return kind.model_validate(settings)
    except ValidationError as error:
        sentences = []
        for problem in error.errors():
            origin = variable if _is_changed(problem, changed) else str(path)
            sentences.append(f"{origin}: {_sentence(kind, dict(problem))}")
        raise UserError("; ".join(sentences)) from None


def as_set(settings: dict[str, Any], variable: str = "SET") -> str:
    """Return a quoted line to paste, SET="…", that sets keys like `data.decimal` to these values.

    >>> print(as_set({"data.decimal": ",", "data.drop": ["id", "first name"]}))
    SET="data.decimal=, 'data.drop=[id,first name]'"
    """
    words = []
    for key, value in settings.items():
        word = f"{key}={_flow(value)}"
        words.append(shlex.quote(word) if re.search(r"[\s'\"\\]", word) else word)
    # Escape what the shell interprets in double quotes, and $ for make.
    line = re.sub(r'([\\"`$])', r"\\\1", " ".join(words).replace("$", "$$"))
    return f'{variable}="{line}"'


def _flow(value: Any) -> str:
    """Return a value in YAML's flow style, of which JSON is a subset; strings are quoted only where YAML needs it."""
    if isinstance(value, list):
        quoted = (json.dumps(text, ensure_ascii=False) for text in value)
        items = [text if _is_plain(f"[{text}]", [text]) else q for text, q in zip(value, quoted)]
        return f"[{','.join(items)}]"
    if isinstance(value, str) and (value[:1] in _TEXT_BEGINS or _is_plain(value, value)):
        return value
    return json.dumps(value, ensure_ascii=False)


def _is_plain(text: str, value: Any) -> bool:
    try:
        return bool(_parse(text) == value)
    except _NOT_YAML:
        return False


def schema(kind: type[BaseModel]) -> str:
    """Return the JSON schema of a config file, for editors."""
    return json.dumps(kind.model_json_schema(), indent=2) + "\n"


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
            place[last] = value if value[:1] in _TEXT_BEGINS else _parse(value)
        except _NOT_YAML:
            raise UserError(
                f"{variable} has {word!r}, whose value is not YAML (quote what has blanks: 'key=[a, b]')"
            ) from None
        changed.add(key)
    return changed


def _is_changed(problem: Any, changed: set[str]) -> bool:
    return any(_same_branch(_key(problem), name) for name in changed)


def _key(problem: Any) -> str:
    # An error about several keys may have an empty location; its message begins with a key.
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
    if not where or _message(problem).startswith(f"{key}."):  # from a validator that compares keys
        return _message(problem)
    accepted = _accepted(kind, where) or problem["msg"]
    return f"{key} is {reprlib.repr(problem['input'])}; accepted: {accepted}"


def _same_branch(key: str, other: str) -> bool:
    return f"{key}.".startswith(f"{other}.") or f"{other}.".startswith(f"{key}.")


def _accepted(kind: type[BaseModel], where: list[str]) -> str:
    """Return the description of the innermost field on the path `where`: list items and dict keys have none."""
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
