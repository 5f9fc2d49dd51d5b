"""The parsers of values in a request's JSON, by the kind of column; for an invalid value they raise pydantic's errors."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable
from typing import Any

from pydantic_core import PydanticCustomError, PydanticKnownError

from mlops_kit.core.values import category, date

Parser = Callable[[Any], Any]


def of(columns: list[dict[str, Any]]) -> dict[str, Parser]:
    """Return the parsers by column; a column whose values are those of the JSON has none."""
    return {
        column["name"]: _OF_KIND[column["kind"]](column)
        for column in columns
        if column["kind"] in ("categorical", "date")
        or (column["kind"] == "numeric" and column["missing_values"])
    }


def number(column: dict[str, Any]) -> Parser:
    """Return the parser of numbers, where some mean "missing": those become None, or are refused."""
    return _with_missing(column, column["missing_values"])


def text(column: dict[str, Any]) -> Parser:
    """Return the parser of categories, which are strings; a number or a boolean becomes the string that it is in a file."""
    known = frozenset(column["categories"])
    with_missing = _with_missing(column, column["missing_values"])

    def parse(value: Any) -> Any:
        if isinstance(value, str) and value in known:
            return value
        if not isinstance(value, (str, int, float)):
            raise PydanticKnownError("string_type")
        return with_missing(category(value))

    return parse


def date_and_time(column: dict[str, Any]) -> Parser:
    """Return the parser of dates and times to naive datetimes in UTC; a time without a zone is taken as UTC."""
    its_format = column["format"]
    accepted = (
        f"in the form {its_format}"
        if its_format
        else "like 2026-11-23 or 2026-11-23T10:00:00Z, from year 1 to 9999 in UTC"
    )
    words = map(datetime.datetime.fromisoformat, column["missing_values"])
    with_missing = _with_missing(column, words)

    def parse(value: Any) -> Any:
        found = date(value, its_format) if isinstance(value, str) else None
        if found is None:
            message = "Input should be a text with a date {accepted}"
            raise PydanticCustomError("date", message, {"accepted": accepted})
        return with_missing(found)

    return parse


def _with_missing(column: dict[str, Any], words: Iterable[Any]) -> Parser:
    """Return the parser that turns a value that means "missing" into None, or refuses it if training saw none missing."""
    meant, may_be_missing = frozenset(words), column["missing"]

    def checked(value: Any) -> Any:
        if value not in meant:
            return value
        if may_be_missing:
            return None
        message = (
            "Input should not be {value}, which means missing: training saw no row without a value"
        )
        raise PydanticCustomError("missing_value", message, {"value": repr(value)})

    return checked


_OF_KIND = {"numeric": number, "categorical": text, "date": date_and_time}
