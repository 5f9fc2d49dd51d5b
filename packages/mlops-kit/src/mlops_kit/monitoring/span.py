"""The time span that is evaluated: from SINCE to UNTIL, or the last days."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import NamedTuple, Optional

from mlops_kit.core.errors import UserError
from mlops_kit.serving.record_files import LINES, PARQUET, begun, day_folder
from mlops_kit.serving.settings import MOST_MINUTES

# A row waits for the recorder, and the file that it is written to may be begun after it.
_WAIT = timedelta(minutes=1)
_LONGEST = timedelta(minutes=MOST_MINUTES) + _WAIT  # of one file


class Span(NamedTuple):
    """A time span in UTC, with `since` and without `until`."""

    since: datetime
    until: datetime

    def day_folders(self) -> Iterator[str]:
        """Yield the names of the day folders that may have files with rows of this span."""
        day = (self.since - _LONGEST).date()
        while day <= (self.until + _WAIT).date():
            yield day_folder(day)
            day += timedelta(days=1)

    def may_hold(self, name: str) -> bool:
        """Return whether a file of this name may have rows of this span; without a time in its name it may."""
        if not name.endswith((LINES, PARQUET)):
            return False
        try:
            return self.since - _LONGEST <= begun(name) < self.until + _WAIT
        except ValueError:
            return True


def span(since: str, until: str, days: float) -> Span:
    """Return the span from `since` to `until`, dates or times of ISO 8601, in UTC if they have no zone.

    An empty `until` is now, an empty `since` is `days` days before `until`.

    >>> [utc(time) for time in span("", "2026-11-29T12:00+01:00", days=7)]
    ['2026-11-22T11:00Z', '2026-11-29T11:00Z']

    Raises:
        UserError: One is not such a time, or `since` is not before `until`.
    """
    end = _time("UNTIL", until) or datetime.now(timezone.utc)
    start = _time("SINCE", since) or end - timedelta(days=days)
    if start >= end:
        raise UserError(f"SINCE is {utc(start)}, which is not before UNTIL, {utc(end)}")
    return Span(start, end)


def utc(time: datetime) -> str:
    """Return a time as messages and reports show it: 2026-11-29T09:00Z."""
    return f"{time:%Y-%m-%dT%H:%MZ}"


def _time(variable: str, text: str) -> Optional[datetime]:
    if not text:
        return None
    try:
        # Python 3.10 and older do not parse a Z.
        found = datetime.fromisoformat(text[:-1] + "+00:00" if text.endswith("Z") else text)
    except ValueError:
        raise UserError(
            f"{variable} is {text!r}; accepted: a date like 2026-11-29, or a time in UTC like 2026-11-29T09:00"
        ) from None
    return found.astimezone(timezone.utc) if found.tzinfo else found.replace(tzinfo=timezone.utc)
