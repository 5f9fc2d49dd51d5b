"""Error messages about a table: one sentence of bounded length, grouped by reason, with the settings that fix it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from mlops_kit.core.config import as_set
from mlops_kit.core.errors import UserError

from .settings import DataConfig

LONGEST = 600  # characters of a sentence
_MOST_NAMES = 10
_LONGEST_NAME = 30
# Names to show for each reason, and characters of the line to paste, whose names cannot be shortened; tried in this order
# until the sentence is short enough.
_ROOM = ((10, 280), (5, 280), (2, 200), (1, 120), (0, 60))

# Reasons; {} is "1 column" or "2 columns". Under data.policy fix, columns are left out for all of these but LEAK.
EMPTY = "{} without a value"
CONSTANT = "{} with the same value in every row"
INDEX = "{} counting the rows"
IDENTIFIER = "{} with a different text in nearly every row"
TWIN = "{} with the values of another"
LEAK = "{} predicting the target without a mistake, which may be a leak"

Found = dict[str, list[str]]
# The entries to add to lists and mappings in the section `data`, by key.
Additions = Mapping[str, Any]


@dataclass(frozen=True)
class Way:
    """A remedy: the settings to add, and their purpose, as in "to keep all as texts"."""

    additions: Additions
    purpose: str = ""


class ColumnError(UserError):
    """An error about a column that the user has to decide about, with its remedies; the first one loses least."""

    def __init__(self, column: str, predicate: str, *ways: Way) -> None:
        """Take the column's name, a predicate like "mixes numbers and text", and the remedies."""
        super().__init__(f"column {shortened(column)!r} {predicate}")
        self.ways = ways


def described(found: Found) -> list[str]:
    """Return a text for each reason: how many columns it applies to, and the names of ten at most."""
    return [_group(reason, names, _MOST_NAMES) for reason, names in found.items() if names]


def refusal(
    config: DataConfig, found: Found, errors: list[ColumnError], before: str = ""
) -> UserError:
    """Return an error that lists all problems: columns by reason, to drop or keep, and each of `errors`.

    Its message ends with a line to paste that names as many of the columns as fit. `before` is a problem to list first.
    """
    source = f"{before}; {config.source}" if before else config.source
    if len(errors) == 1 and not any(found.values()):
        return _of_one(config, source, errors[0])
    dropped = [name for names in found.values() for name in names]
    additions = _together([{"drop": dropped}, *(error.ways[0].additions for error in errors)])
    advice = "; what must stay goes to data.keep" if dropped else ""
    if any(len(error.ways) > 1 for error in errors):
        advice += "; the line takes the first way for each"
    elif "categorical" in additions:
        advice += (
            "; as categories such columns keep all texts, which data.missing_values would lose"
        )
    for most, longest in _ROOM:
        line = set_line(config, additions, longest)
        parts = [_group(reason, names, most) for reason, names in found.items() if names]
        parts += [str(error) for error in errors[: max(1, most)]]
        if len(errors) > max(1, most):
            parts.append(f"and {len(errors) - max(1, most)} more columns like these")
        sentence = f"{source}: {'; '.join(parts)}{advice}: {line}"
        if len(sentence) <= LONGEST:
            break
    return UserError(sentence)


def with_columns(error: UserError, config: DataConfig, errors: list[ColumnError]) -> UserError:
    """Return `error`, which stops the reading of a table, combined with the `errors` of its columns."""
    return refusal(config, {}, errors, before=str(error)) if errors else error


def set_line(config: DataConfig, additions: Additions, longest: int = 280) -> str:
    """Return SET="…" that sets keys of `data` to their current entries and `additions`.

    It has at least one addition, and as many more as fit into `longest` characters.
    """
    settings: dict[str, Any] = {}
    for key, added in additions.items():
        for name in dict.fromkeys(added):
            more = _with(config, settings, key, name, added)
            if settings and len(as_set(more)) > longest:
                break
            settings = more
    return as_set(settings)


def some(names: list[str], most: int = _MOST_NAMES, longest: int = _LONGEST_NAME) -> str:
    """Return at most `most` names, each of at most `longest` characters, and how many more there are.

    >>> some(["age", "price", "since"], most=2)
    'age, price and 1 more'
    """
    shown = ", ".join(shortened(name, longest) for name in names[:most])
    if len(names) <= most:
        return shown
    return f"{shown} and {len(names) - most} more" if shown else ""


def shortened(text: str, most: int = _LONGEST_NAME) -> str:
    """Return a text of at most `most` characters, a longer one cut and with an ellipsis."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _of_one(config: DataConfig, source: str, error: ColumnError) -> UserError:
    """Return the error about one column with all its remedies, except those that do not fit."""
    lines = [
        f"{way.purpose}: {set_line(config, way.additions)}".removeprefix(": ") for way in error.ways
    ]
    joint = ";" if error.ways[0].purpose else ":"
    while True:
        sentence = f"{source}: {error}{joint} {' or '.join(lines)}"
        if len(sentence) <= LONGEST or len(lines) == 1:
            return UserError(sentence)
        lines.remove(max(lines, key=len))


def _together(each: Iterable[Additions]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for additions in each:
        for key, added in additions.items():
            before = merged.get(key, type(added)())
            merged[key] = {**before, **added} if isinstance(added, dict) else [*before, *added]
    return merged


def _with(
    config: DataConfig, settings: dict[str, Any], key: str, name: str, added: Any
) -> dict[str, Any]:
    """Return the settings with one more entry in a list or a mapping."""
    whole = f"data.{key}"
    if not isinstance(added, dict):
        return {**settings, whole: [*settings.get(whole, getattr(config, key)), name]}
    if not any(_is_odd(each) for each in added):
        return {**settings, f"{whole}.{name}": added[name]}
    before = settings.get(whole, getattr(config, key))
    return {**settings, whole: {**before, name: added[name]}}


def _is_odd(name: str) -> bool:
    """Return whether a name cannot be part of a dotted key."""
    return any(mark in name for mark in ".=\"'\\") or name != name.strip()


def _group(reason: str, names: list[str], most: int) -> str:
    text = reason.format("1 column" if len(names) == 1 else f"{len(names)} columns")
    shown = some(names, most)
    return f"{text} ({shown})" if shown else text
