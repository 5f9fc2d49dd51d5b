"""The time that is looked at, and the files that may have rows of it."""

from datetime import datetime, timedelta, timezone

import pytest

from mlops_kit.core.errors import UserError
from mlops_kit.monitoring.span import Span, span, utc
from mlops_kit.serving import settings
from mlops_kit.serving.settings import RecordConfig


def at(*parts):
    return datetime(*parts, tzinfo=timezone.utc)


DAY = Span(at(2026, 11, 28), at(2026, 11, 29))


@pytest.mark.parametrize(
    ("since", "until"),
    [
        ("2026-11-28", "2026-11-29"),
        ("2026-11-28T00:00Z", "2026-11-29T01:00+01:00"),
        ("", "2026-11-29T00:00:00"),
    ],
)
def test_dates_and_times_are_utc_unless_they_say_another(since, until):
    assert span(since, until, days=1) == DAY


def test_by_default_it_ends_now():
    found = span("", "", days=7)
    assert found.until - found.since == timedelta(days=7)
    assert datetime.now(timezone.utc) - found.until < timedelta(minutes=1)


@pytest.mark.parametrize(
    ("since", "until", "sentence"),
    [
        ("yesterday", "", "SINCE is 'yesterday'; accepted: a date like "),
        ("", "29.11.2026", "UNTIL is '29.11.2026'; accepted: a date like "),
        ("2026-11-29", "2026-11-29", "SINCE is 2026-11-29T00:00Z, which is not before UNTIL"),
    ],
)
def test_what_is_no_span_is_a_sentence(since, until, sentence):
    with pytest.raises(UserError, match=f"^{sentence}"):
        span(since, until, days=1)


def test_files_that_were_begun_a_day_before_may_have_rows_of_it():
    days = ["date=2026-11-26", "date=2026-11-27", "date=2026-11-28", "date=2026-11-29"]
    assert list(DAY.day_folders()) == days
    for name, may in {
        "20261126T235859999999-ab.jsonl": False,
        "20261127T000000000000-ab.jsonl": True,
        "20261128T235959999999-ab.parquet": True,
        "20261129T000000200000-ab.jsonl": True,  # its first row may have waited since the day before
        "20261129T000100000000-ab.jsonl": False,
        "20261128T120000000000-ab.unfinished": False,
        "by-hand.jsonl": True,
    }.items():
        assert DAY.may_hold(name) == may, name


def test_the_longest_file_is_that_of_the_settings():
    longest = timedelta(minutes=settings.MOST_MINUTES)
    assert RecordConfig(minutes=settings.MOST_MINUTES)
    assert not DAY.may_hold(
        f"{DAY.since - longest - timedelta(minutes=2):%Y%m%dT%H%M%S%f}-ab.jsonl"
    )
    assert DAY.may_hold(f"{DAY.since - longest:%Y%m%dT%H%M%S%f}-ab.jsonl")


def test_times_have_minutes():
    assert utc(DAY.since) == "2026-11-28T00:00Z"
