"""Infer the date format of a string column, and parse it: ISO 8601, or strptime, which here has %q for a quarter."""

from __future__ import annotations

import datetime
import re
from typing import Any

import numpy as np
import pandas as pd

from mlops_kit.core import values as meaning

_DAYS = (
    *("%Y/%m/%d", "%Y.%m.%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y"),
    *("%d.%m.%y", "%d/%m/%y", "%m/%d/%y", "%d-%m-%y", "%m-%d-%y", "%y-%m-%d"),
    *("%d-%b-%Y", "%d-%b-%y", "%d %b %Y", "%d %b %y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y"),
)
_TIMES = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p")
_MONTHS = ("%Y-%m", "%m/%Y", "%b %Y", "%B %Y", "%b-%Y", "%Y %b", "%Y %B")
_SHORT_MONTHS = ("%b-%y", "%b %y", "%B %y")
_QUARTERS = ("%Y Q%q", "%Y-Q%q", "%YQ%q", "Q%q %Y", "Q%q-%Y", "Q%q/%Y")
_FORMATS: tuple[str | None, ...] = (
    *(None, *(day + time for day in _DAYS for time in _TIMES)),
    *(*_MONTHS, *_SHORT_MONTHS, *_QUARTERS),
)
_SAMPLE = 20

# A fast filter, which every date in one of these formats passes.
_MAY_BE_DATE = re.compile(
    r"([0-9]{1,4}[-/. ]([0-9]{1,2}|[A-Za-z]{3,9})[-/. ]|[A-Za-z]{3,9} [0-9]{1,2}, )[0-9]{2}.*"
    r"|[0-9]{4}(-[0-9]{2}| [A-Za-z]{3,9})|([0-9]{1,2}/|[A-Za-z]{3,9}[- ])[0-9]{4}"
    r"|[A-Za-z]{3,9}[- ][0-9]{2}|(1[89]|20)[0-9]{2}[- ]?[Qq][1-4]|[Qq][1-4][-/ ](1[89]|20)[0-9]{2}",
    re.S,
)
# With a two-digit year, dates have two-digit days and months, slashes or a month's name: 1.2.10 is a version.
_SHORT_YEAR = re.compile(
    r"([0-9]{2}\D[0-9]{2}|[0-9]{1,2}/[0-9]{1,2}|[0-9]{1,2}\D[A-Za-z]{3}|[A-Za-z]{3,9})\D[0-9]{2}(\D.*)?",
    re.S,
)
# The two-digit years 30 to 68: strptime reads them as 2030 to 2068, spreadsheets as 1930 to 1968.
_DISPUTED_YEARS = range(2030, 2069)
_MONTH_OF_YEAR = re.compile(r"(?:1[89]|20)([0-9]{2})-([0-9]{2})")

# The dates that pandas parses in bulk, with the same result as `meaning.date`; those with and without a time zone apart.
_ISO = r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?%s)?"
_ISO_PARTS = (re.compile(_ISO % ""), re.compile(_ISO % "(?:Z|[+-][01][0-9]:[0-5][0-9])"))
_ALIKE = re.compile(r"(?:%[YmdHMSyb]|[-/., :])*")
_LEAP_SECOND = re.compile(r"6[01]\b")  # pandas reads it as the next minute


def dates(texts: Any, its_format: str | None) -> Any:
    """Parse a Series of strings to datetime64[us] in UTC; NaT where `meaning.date` finds no date or the string is missing.

    Raises:
        ValueError: strptime does not accept the format.
    """
    codes, distinct = pd.factorize(texts.str.strip())
    # The last one is for missing strings.
    found = np.full(len(distinct) + 1, "NaT", dtype="datetime64[us]")
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
    # pandas 2 cannot represent days like 9999-12-31, which often mean "never".
    for place in np.flatnonzero(np.isnat(found[:-1])):
        found[place] = np.datetime64(meaning.date(distinct[place], its_format) or "NaT", "us")
    return pd.Series(found[codes], index=texts.index)


def candidates(texts: list[str], min_share: float) -> list[tuple[str | None, Any]]:
    """Return the formats (None: ISO 8601) in which at least the share `min_share` of `texts` are dates, each with these dates.

    The dates are an array of datetime64[us], shape (texts,), NaT where a text is not one. "5-May-2013" fits %b and %B: only
    the first is returned.

    >>> [its_format for its_format, _ in candidates(["05/06/2013", "01/12/2014"], min_share=1)]
    ['%d/%m/%Y', '%m/%d/%Y']
    >>> [its_format for its_format, _ in candidates(["05/06/2013", "31/12/2014"], min_share=1)]
    ['%d/%m/%Y']
    """
    sample = [text for text in texts[:_SAMPLE] if _MAY_BE_DATE.fullmatch(text)]
    if 2 * len(sample) < min_share * min(len(texts), _SAMPLE):
        return []
    found: list[tuple[str | None, Any]] = []
    column = pd.Series(texts, dtype=object)
    for its_format in _FORMATS:
        if not _may_be_in(its_format, sample):
            continue
        in_sample = sum(meaning.date(text, its_format) is not None for text in sample)
        if 2 * in_sample < min_share * len(sample):
            continue
        read = dates(column, its_format).to_numpy()
        short = its_format and its_format.replace("%B", "%b")
        known = short != its_format and any(
            each == short and np.array_equal(read, others) for each, others in found
        )
        if (~np.isnat(read)).mean() >= min_share and not known:
            found.append((its_format, read))
    return found


def other_meaning(its_format: str | None, read: Any) -> tuple[int, str] | None:
    """Return a position in `read`, dates without NaT, and another meaning that its text may have; None if there is none."""
    if its_format is None or "%y" not in its_format:
        return None
    years = read.astype("datetime64[Y]").astype(int) + 1970
    disputed = np.flatnonzero(np.isin(years, _DISPUTED_YEARS))
    if len(disputed):
        place = int(disputed[0])
        return place, str(read[place].astype(object).replace(year=years[place] - 100).date())
    if its_format in _SHORT_MONTHS and ((years > 2000) & (years < 2032)).all():
        return 0, "a day of a year that is not named"
    return None


def _may_be_in(its_format: str | None, texts: list[str]) -> bool:
    """Return whether texts that match a format are likely to be dates."""
    if its_format == "%Y-%m":
        parts = [one.groups() for one in map(_MONTH_OF_YEAR.fullmatch, texts) if one]
        # 1234-05 is a code, and 2008-09 a season if all texts name a year and the next one.
        seasons = all(int(month) == (int(year) + 1) % 100 for year, month in parts)
        return len(parts) == len(texts) and not seasons
    return "%y" not in (its_format or "") or all(map(_SHORT_YEAR.fullmatch, texts))


def _many(texts: Any, its_format: str) -> Any:
    read = pd.to_datetime(
        pd.Series(texts, dtype=object), format=its_format, errors="coerce", utc=True
    )
    return read.dt.tz_localize(None).to_numpy(dtype="datetime64[us]")


def _check(its_format: str) -> None:
    if meaning.QUARTER in its_format:
        if re.findall("%.", its_format.replace("%y", "%Y")) not in (["%Y", "%q"], ["%q", "%Y"]):
            raise ValueError("beside %q, a quarter, it has %Y or %y and nothing else")
        return
    try:
        datetime.datetime.strptime("", its_format)
    except ValueError as error:
        if "does not match" not in str(error):
            raise
    except re.error as error:  # the same directive twice
        raise ValueError(str(error)) from None
