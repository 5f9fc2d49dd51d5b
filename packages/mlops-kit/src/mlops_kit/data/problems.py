"""What was found wrong with a table, in one sentence: grouped by reason, bounded, with the line that mends it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from typing import Any

import yaml

from mlops_kit.core.errors import UserError

from .settings import DataConfig

LONGEST = 600  # characters of a sentence
_MOST_NAMES = 10
_LONGEST_NAME = 30
# Names that are shown of each reason, and characters that the line to paste may take, whose names cannot be shortened.
# What comes first is tried first.
_ROOM = ((10, 280), (5, 280), (2, 200), (1, 120), (0, 60))

# What columns are said to be; {} is "1 column" or "2 columns". Where none of these is a fault, they are left out.
EMPTY = "{} without a value"
CONSTANT = "{} with the same value in every row"
INDEX = "{} counting the rows"
IDENTIFIER = "{} with a different text in nearly every row"
TWIN = "{} with the values of another"
LEAK = "{} predicting the target without a mistake, which may be a leak"

Found = dict[str, list[str]]


class ColumnError(UserError):
    """A column that a person has to decide about: `told` says what it is, `key` of `data` is where to name it."""

    def __init__(self, column: str, told: str, key: str) -> None:
        """Take the column's name, and a predicate like "mixes numbers and text"."""
        super().__init__(f"column {column!r} {told}")
        self.column, self.key = column, key


def described(found: Found) -> list[str]:
    """Return for each reason how many columns it has and their names, ten at most."""
    return [_group(reason, names, _MOST_NAMES) for reason, names in found.items() if names]


def refusal(config: DataConfig, found: Found, errors: list[UserError]) -> UserError:
    """Return the error that tells all that was found: columns by reason, to drop or keep, and what each of `errors` says.

    It ends in a line to paste that names as many of the columns as there is room for.
    """
    columns = {"drop": [name for names in found.values() for name in names]}
    for error in errors:
        if isinstance(error, ColumnError):
            columns.setdefault(error.key, []).append(error.column)
    advice = "; what must stay goes to data.keep" if any(found.values()) else ""
    if "categorical" in columns:
        advice += (
            "; as categories such columns keep all texts, which data.missing_values would lose"
        )
    for most, longest in _ROOM:
        line = set_line(config, columns, longest)
        told = [_group(reason, names, most) for reason, names in found.items() if names]
        told += [str(error) for error in errors[: max(1, most)]]
        if len(errors) > max(1, most):
            told.append(f"and {len(errors) - max(1, most)} more columns like these")
        sentence = f"{config.source}: {'; '.join(told)}{advice}: {line}"
        if len(sentence) <= LONGEST:
            break
    return UserError(sentence)


def set_line(config: DataConfig, columns: Mapping[str, list[str]], longest: int = 280) -> str:
    """Return SET="…" that adds `columns`, names by key of `data`, to what these keys name already.

    It has at least one of them, and as many more as `longest` characters hold.
    """
    words: list[str] = []
    for key, names in columns.items():
        named = list(getattr(config, key))
        for name in dict.fromkeys(names):
            longer = [*words, _word(f"data.{key}", [*named, name])]
            if words + named and len(_quoted(" ".join(longer))) > longest:
                break
            named.append(name)
        if named != list(getattr(config, key)):
            words.append(_word(f"data.{key}", named))
    return f"SET={_quoted(' '.join(words))}"


def some(names: list[str], most: int = _MOST_NAMES) -> str:
    """Return at most so many names, each shortened, and how many there are besides."""
    shown = ", ".join(shortened(name) for name in names[:most])
    if len(names) <= most:
        return shown
    return f"{shown} and {len(names) - most} more" if shown else ""


def shortened(text: str, most: int = _LONGEST_NAME) -> str:
    """Return a text, or its beginning and an ellipsis."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _group(reason: str, names: list[str], most: int) -> str:
    told = reason.format("1 column" if len(names) == 1 else f"{len(names)} columns")
    shown = some(names, most)
    return f"{told} ({shown})" if shown else told


def _word(key: str, names: list[str]) -> str:
    word = f"{key}=[{','.join(_yaml(name) for name in names)}]"
    return shlex.quote(word) if re.search(r"[\s'\"\\]", word) else word


def _yaml(name: str) -> str:
    """Return a name as a YAML list holds it, without quotes where it can be."""
    try:
        plain: Any = yaml.safe_load(f"[{name}]") == [name]
    except (yaml.YAMLError, ValueError):
        plain = False
    return (
        name
        if plain
        else yaml.dump(name, default_style='"', allow_unicode=True, width=10**6).strip()
    )


def _quoted(words: str) -> str:
    """Return words as the shell, and then make, takes them."""
    return '"' + re.sub(r'([\\"`$])', r"\\\1", words.replace("$", "$$")) + '"'
