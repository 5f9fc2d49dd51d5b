"""How the dates of a text column are written: ISO, or in a format of strptime."""

from __future__ import annotations

import datetime
import re
from typing import Any

import numpy as np
import pandas as pd

from mlops_kit.core import values as meaning

_DAYS = (
    *("%Y/%m/%d", "%Y.%m.%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y"),
    *("%d.%m.%y", "%d/%m/%y", "%m/%d/%y", "%d-%b-%Y", "%d-%b-%y", "%d %b %Y", "%d %B %Y"),
    *("%b %d, %Y", "%B %d, %Y"),
)
_TIMES = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p")
_FORMATS: tuple[str | None, ...] = (None, *(day + time for day in _DAYS for time in _TIMES))
_SAMPLE = 20

# Quick to tell, and true of whatever is in one of these formats.
_MAY_BE_DATE = re.compile(
    r"([0-9]{1,4}[-/. ]([0-9]{1,2}|[A-Za-z]{3,9})[-/. ]|[A-Za-z]{3,9} [0-9]{1,2}, )[0-9]{2}.*", re.S
)
# Day and month have two digits where the year has two: 1.2.10 is a version.
_SHORT_YEAR = re.compile(r"[0-9]{2}\D([0-9]{2}|[A-Za-z]{3})\D[0-9]{2}(\D.*)?", re.S)

# pandas reads many of these at once, and as `meaning.date` does: all but such as mix zones with none, among others.
_ISO = r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?%s)?"
_ISO_PARTS = (re.compile(_ISO % ""), re.compile(_ISO % "(?:Z|[+-][01][0-9]:[0-5][0-9])"))
_ALIKE = re.compile(r"(?:%[YmdHMSyb]|[-/., :])*")
_LEAP_SECOND = re.compile(r"6[01]\b")  # to pandas the next minute


def dates(texts: Any, its_format: str | None) -> Any:
    """Return a Series of datetime64[us] in UTC; NaT where `meaning.date` finds no date in a text, or none is there.

    Raises:
        ValueError: strptime does not take the format.
    """
    codes, distinct = pd.factorize(texts.str.strip())
    found = np.full(
        len(distinct) + 1, "NaT", dtype="datetime64[us]"
    )  # the last is that of the missing
    if its_format is None:
        for part in _ISO_PARTS:
            places = [place for place, text in enumerate(distinct) if part.fullmatch(text)]
            if places:
                found[places] = _many(distinct[places], "ISO8601")
    else:
        _check(its_format)
        if _ALIKE.fullmatch(its_format):
            found[:-1] = _many(distinct, its_format)
            if "%S" in its_format:
                doubtful = [_LEAP_SECOND.search(text) is not None for text in distinct]
                found[:-1][doubtful] = "NaT"
    # pandas 2 has no room for days like 9999-12-31, which stand for "never".
    for place in np.flatnonzero(np.isnat(found[:-1])):
        found[place] = np.datetime64(meaning.date(distinct[place], its_format) or "NaT", "us")
    return pd.Series(found[codes], index=texts.index)


def candidates(texts: list[str], most: float) -> list[tuple[str | None, Any]]:
    """Return the formats in which at least the share `most` of `texts` are dates (None: ISO), each with the dates, as an array.

    "5-May-2013" is one of %b and of %B: the first counts.
    """
    sample = [text for text in texts[:_SAMPLE] if _MAY_BE_DATE.fullmatch(text)]
    if 2 * len(sample) < most * min(len(texts), _SAMPLE):
        return []
    found: list[tuple[str | None, Any]] = []
    column = pd.Series(texts, dtype=object)
    for its_format in _FORMATS:
        if its_format and "%y" in its_format and not all(map(_SHORT_YEAR.fullmatch, sample)):
            continue
        in_sample = sum(meaning.date(text, its_format) is not None for text in sample)
        if 2 * in_sample < most * len(sample):
            continue
        read = dates(column, its_format).to_numpy()
        short = its_format and its_format.replace("%B", "%b")
        if (~np.isnat(read)).mean() >= most and (short == its_format or short not in dict(found)):
            found.append((its_format, read))
    return found


def _many(texts: Any, its_format: str) -> Any:
    read = pd.to_datetime(
        pd.Series(texts, dtype=object), format=its_format, errors="coerce", utc=True
    )
    return read.dt.tz_localize(None).to_numpy(dtype="datetime64[us]")


def _check(its_format: str) -> None:
    try:
        datetime.datetime.strptime("", its_format)
    except ValueError as error:
        if "does not match" not in str(error):
            raise
    except re.error as error:  # the same directive twice
        raise ValueError(str(error)) from None
