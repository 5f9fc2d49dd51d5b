"""Interpret raw values: the one definition for files, requests, data frames, recorded rows and labels.

It uses the standard library alone: the service's image has no pandas. Whitespace around a string is ignored.
"""

from __future__ import annotations

import datetime
import functools
import re
from collections.abc import Iterable
from typing import Any

# The strings that mean "missing" by default, as in pandas. The empty string always does.
MISSING = (
    *("NA", "N/A", "n/a", "#N/A", "#N/A N/A", "#NA", "<NA>", "NULL", "null", "None"),
    *("NaN", "nan", "-NaN", "-nan", "1.#IND", "-1.#IND", "1.#QNAN", "-1.#QNAN"),
)

# The strings of true and false, in lower case; a column of the first two alone is boolean.
TRUTH = {"true": 1.0, "false": 0.0, "1": 1.0, "0": 0.0, "1.0": 1.0, "0.0": 0.0}

# The directive for a quarter, 1 to 4, which strptime lacks; pandas formats periods with it.
QUARTER = "%q"

_WHOLE = re.compile(r"(-?[1-9][0-9]*|0)\.0|-0\.0")
_ISO = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})"
    r"(?:[Tt ]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:\.([0-9]{1,9}))?)?"
    r"([Zz]|[+-](?:[01][0-9]|2[0-3])(?::?[0-5][0-9])?)?)?"
)


def category(value: Any) -> str:
    """Return the category that a raw value means, as a string, the same from every source.

    A string is unchanged: "00037", "1e5", "NA". A number is formatted as in CSV, a whole one without a fraction: 37 and
    37.0 are "37", and so is the string "37.0", because tables are written with the fraction if another row lacks a
    value. Booleans are "True" and "False", in whatever case they are written.

    >>> category(37), category("37.0"), category("00037"), category("TRUE")
    ('37', '37', '00037', 'True')
    """
    text = str(value).strip()
    if _WHOLE.fullmatch(text):
        return "0" if text == "-0.0" else text[:-2]
    lower = text.lower()
    return lower.capitalize() if lower in ("true", "false") else text


class Missing:
    """The values that mean "missing": `texts`, which include the empty string, and `numbers`, which these texts are."""

    def __init__(self, words: Iterable[str]) -> None:
        """Take the strings of data.missing_values."""
        words = [word.strip() for word in words]
        self.texts = frozenset({"", *words, *map(category, words)})
        self.numbers = frozenset(
            number for number in map(_number, self.texts) if number is not None
        )

    def dates(self, its_format: str | None) -> set[datetime.datetime]:
        """Return the dates, naive and in UTC, that the texts are in a strptime format (None: ISO 8601)."""
        found = (date(text, its_format) for text in self.texts)
        return {moment for moment in found if moment is not None}


def date(text: str, its_format: str | None) -> datetime.datetime | None:
    """Parse a date in a strptime format (None: ISO 8601) to a naive datetime in UTC; return None if it does not match.

    In ISO 8601 the time, its seconds and its time zone are optional, and digits after microseconds are cut. In addition to
    strptime's directives there is %q for a quarter, whose first day is the date.

    >>> date("2026-11-29T10:30+01:00", None)
    datetime.datetime(2026, 11, 29, 9, 30)
    >>> date("2026 Q4", "%Y Q%q")
    datetime.datetime(2026, 10, 1, 0, 0)
    """
    try:
        if its_format is None:
            return _iso(text.strip())
        if QUARTER in its_format:
            return _first_of_quarter(text.strip(), its_format)
        return in_utc(datetime.datetime.strptime(text.strip(), its_format))
    except (ValueError, OverflowError):
        return None


def date_text(moment: datetime.datetime, its_format: str | None) -> str:
    """Format a naive datetime in UTC as a text that `date` parses in the same format."""
    if its_format is None:
        return moment.isoformat()
    of_quarter = its_format.replace(QUARTER, str((moment.month + 2) // 3))
    return moment.replace(tzinfo=datetime.timezone.utc).strftime(of_quarter)


def in_utc(moment: datetime.datetime) -> datetime.datetime:
    """Convert a datetime to a naive one in UTC; one without a time zone is taken as UTC."""
    if moment.tzinfo is None:
        return moment
    return moment.astimezone(datetime.timezone.utc).replace(tzinfo=None)


@functools.lru_cache
def _quarter_pattern(its_format: str) -> re.Pattern[str]:
    pattern = re.escape(its_format)
    for directive, digits in (("%Y", "[0-9]{4}"), ("%y", "[0-9]{2}"), (QUARTER, "[1-4]")):
        pattern = pattern.replace(directive, f"(?P<{directive[1]}>{digits})", 1)
    return re.compile(pattern, re.I)


def _first_of_quarter(text: str, its_format: str) -> datetime.datetime | None:
    found = _quarter_pattern(its_format).fullmatch(text)
    if not found:
        return None
    ((directive, digits),) = [each for each in found.groupdict().items() if each[0] != QUARTER[1]]
    year = datetime.datetime.strptime(digits, f"%{directive}").year
    return datetime.datetime(year, 3 * int(found[QUARTER[1]]) - 2, 1)


def _iso(text: str) -> datetime.datetime | None:
    found = _ISO.fullmatch(text)
    if not found:
        return None
    year, month, day, hour, minute, second, fraction, zone = found.groups()
    if not zone and len(fraction or "") in (0, 3, 6):
        return datetime.datetime.fromisoformat(text)
    microsecond = int(fraction.ljust(6, "0")[:6]) if fraction else 0
    clock = int(hour or 0), int(minute or 0), int(second or 0), microsecond
    moment = datetime.datetime(int(year), int(month), int(day), *clock)
    if not zone or zone in "Zz":
        return moment
    minutes = 60 * int(zone[1:3]) + int(zone[3:].lstrip(":") or 0)
    offset = datetime.timedelta(minutes=-minutes if zone[0] == "-" else minutes)
    return moment - offset


def _number(text: str) -> float | None:
    if not re.fullmatch(r"[-+]?[0-9]+(\.[0-9]+)?", text):
        return None
    return float(text)
