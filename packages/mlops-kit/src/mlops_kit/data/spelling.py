"""Infer the spelling of the numbers or dates in a string column, if it is unambiguous."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from . import date_spelling, number_spelling
from .number_spelling import Spelling
from .problems import ColumnError, Way, some
from .settings import DataConfig

# From this share on, of the values or of the distinct ones, a column counts as numbers or dates with errors in it.
_NEARLY = 0.95
_WORTH_A_LOOK = 0.5
_SHOWN = 5


@dataclass(frozen=True)
class Found:
    """The kind of a string column, numeric or date, and its format: 1234.5 in its spelling, or strptime's (None: ISO)."""

    kind: str
    written: str | None


@dataclass(frozen=True)
class _Way:
    """One way to parse a column: the values of the distinct texts, and a mask of those it parses, both of shape (texts,)."""

    found: Found
    values: Any
    reads: Any


def find(name: str, present: Any, config: DataConfig) -> Found | None:
    """Infer how a column's strings, none of them missing, are written; None if they are neither numbers nor dates.

    Raises:
        ColumnError: They can be parsed in more than one way, or all but a few can be parsed.
    """
    counts = present.value_counts()
    texts = [str(text) for text in counts.index]
    ways = _ways(texts)
    weights = counts.to_numpy() / counts.sum()
    best = max((_share(way, weights) for way in ways), default=0.0)
    if best < _NEARLY:
        return None
    ways = [way for way in ways if _share(way, weights) == best]
    if best < 1 and ways[0].found == Found("numeric", str(usual(config))):
        return None  # numbers and texts: their spelling is the default
    if best < 1:
        raise _all_but(name, present, texts, ways[0])
    if len(ways) > 1:
        raise _doubt(name, texts, ways)
    if ways[0].found.kind == "date":
        _check_date(name, texts, ways[0])
    return ways[0].found


def usual(config: DataConfig) -> Spelling:
    """Return the default spelling of numbers, for columns that no setting names."""
    return Spelling(config.thousands, config.decimal)


def _ways(texts: list[str]) -> list[_Way]:
    dates = date_spelling.candidates(texts, _WORTH_A_LOOK)
    numbers = number_spelling.candidates(texts, _WORTH_A_LOOK)
    return [
        *(_Way(Found("numeric", str(s)), read, np.isfinite(read)) for s, read in reversed(numbers)),
        *(_Way(Found("date", its), read, ~np.isnat(read)) for its, read in dates),
    ]


def of_numbers(name: str, values: Any, config: DataConfig) -> Spelling:
    """Return the spelling of a column's numbers: the one in the config, else the default, or one that is inferred.

    Raises:
        ColumnError: As `find`.
    """
    texts = values[values.map(lambda value: isinstance(value, str)).astype(bool)]
    if name in config.numbers:
        named = number_spelling.parse(config.numbers[name])
        return number_spelling.with_affix(named, list(texts))
    its = usual(config)
    if len(texts) and not np.isfinite(its.numbers(texts.to_numpy(dtype=object))).all():
        found = find(name, texts, config)
        if found is not None and found.kind == "numeric":
            return number_spelling.parse(str(found.written))
    return its


def without_sign(written: str) -> str:
    """Return 1234.5 with the same marks but no sign like $, which is inferred from each table again.

    >>> without_sign("$1,234.5")
    '1,234.5'
    """
    its = number_spelling.parse(written)
    return str(Spelling(its.thousands, its.decimal))


def _shown(value: Any) -> str:
    return f"{value:.15g}" if isinstance(value, float) else str(value)[:16]


def _share(way: _Way, weights: Any) -> float:
    return float(max(way.reads.mean(), weights[way.reads].sum())) if not way.reads.all() else 1.0


def _what(way: _Way) -> str:
    return "numbers" if way.found.kind == "numeric" else "dates"


def _doubt(name: str, texts: list[str], ways: list[_Way]) -> ColumnError:
    first, second = ways[:2]
    place = int(np.argmax(first.values != second.values))
    meanings = [_shown(way.values[place]) for way in ways]
    predicate = (
        f"holds {_what(first)} like {texts[place]!r}, which may mean {' or '.join(meanings)}"
    )
    remedies = (_out(name, way, meaning) for way, meaning in zip(ways, meanings))
    return ColumnError(name, predicate, *remedies)


def _check_date(name: str, texts: list[str], way: _Way) -> None:
    """Raise a ColumnError for two-digit years that may be of another century, or not years at all."""
    other = date_spelling.other_meaning(way.found.written, way.values)
    if other is None:
        return
    place, besides = other
    meaning = str(way.values[place])[:10]
    predicate = f"holds dates like {texts[place]!r}, which may mean {meaning} or {besides} (years of four digits leave no doubt)"
    # The texts are not wrong in either case.
    as_texts = Way({"categorical": [name]}, "to keep all as texts")
    raise ColumnError(name, predicate, as_texts, _out(name, way, meaning))


def _out(name: str, way: _Way, meaning: str) -> Way:
    """Return the remedy that sets a column's spelling."""
    if way.found.kind == "date":
        return Way({"dates": {name: way.found.written}}, f"for {meaning}")
    written = without_sign(str(way.found.written))
    # A number if YAML reads it as one.
    value = 1234.5 if written == "1234.5" else written
    return Way({"numbers": {name: value}}, f"for {meaning}")


def _all_but(name: str, present: Any, texts: list[str], way: _Way) -> ColumnError:
    others = [text for text, reads in zip(texts, way.reads) if not reads]
    row = int(np.flatnonzero(present == others[0])[0])
    like = next(text for text, reads in zip(texts, way.reads) if reads)
    predicate = (
        f"holds {_what(way)} like {like!r}, but for {some([repr(text) for text in others], _SHOWN)}"
        f" (the first in row {present.index[row] + 1})"
    )
    texts_kept = Way({"categorical": [name]}, "to keep all as texts")
    if len(others) > _SHOWN:
        return ColumnError(name, predicate, texts_kept)
    as_missing = Way({"missing_values": others}, "where such mean missing")
    # A text like "<0.006" carries information about a number; an impossible date stands for no day.
    both = (as_missing, texts_kept) if way.found.kind == "date" else (texts_kept, as_missing)
    return ColumnError(name, predicate, *both)
