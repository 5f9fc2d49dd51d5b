"""What a request may hold: types made from the model's columns, checked by pydantic from the JSON text."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable
from typing import Annotated, Any, Optional

from pydantic import AfterValidator, ConfigDict, Field, PlainValidator, TypeAdapter, WithJsonSchema
from pydantic_core import PydanticCustomError, PydanticKnownError
from typing_extensions import TypedDict

from mlops_kit.core.features import LARGEST
from mlops_kit.core.values import category, date

_STRICT = ConfigDict(extra="forbid", strict=True)


def row_type(columns: list[dict[str, Any]], example: dict[str, Any]) -> Any:
    """Return a TypedDict with a key for each column, all required; null only where training saw it missing."""
    return _closed(
        "Row", {column["name"]: _field(column, example.get(column["name"])) for column in columns}
    )


def body(
    columns: list[dict[str, Any]], example: dict[str, Any], most_rows: int
) -> TypeAdapter[Any]:
    """Return the checker of a request's body: {"rows": [row, ...]}; it tells what is wrong with the first bad row."""
    row = row_type(columns, example)
    # Telling of every bad row makes rows x columns errors, which took seconds and hundreds of megabytes.
    its_rows = Field(min_length=1, max_length=most_rows, fail_fast=True)
    rows = Annotated[list[row], its_rows]  # type: ignore[valid-type] # made above
    return TypeAdapter(_closed("Request", {"rows": rows}))


def _closed(name: str, fields: dict[str, Any]) -> Any:
    made = TypedDict(name, fields)  # type: ignore[misc] # its keys are known only here
    made.__pydantic_config__ = _STRICT  # type: ignore[attr-defined] # pydantic's documented name
    return made


def body_schema(
    columns: list[dict[str, Any]], example: dict[str, Any], most_rows: int
) -> dict[str, Any]:
    """Return the same as JSON schema, for the OpenAPI document."""
    row = TypeAdapter(row_type(columns, example)).json_schema()
    rows = {"type": "array", "items": row, "minItems": 1, "maxItems": most_rows}
    return {
        "type": "object",
        "properties": {"rows": rows},
        "required": ["rows"],
        "additionalProperties": False,
        "example": {"rows": [example]},
    }


def _field(column: dict[str, Any], example: Any) -> Any:
    kind: Any = _KINDS[column["kind"]](column)
    if column["missing"]:
        kind = Optional[kind]
    return Annotated[kind, Field(description=_told(column), examples=[example])]


def _number(column: dict[str, Any]) -> Any:
    number = Annotated[float, Field(allow_inf_nan=False, ge=-LARGEST, le=LARGEST)]
    if not column["missing_values"]:
        return number
    return Annotated[number, AfterValidator(_with_missing(column, column["missing_values"]))]


def _truth(_column: dict[str, Any]) -> Any:
    return bool


def _text(column: dict[str, Any]) -> Any:
    """Return the text of a category; a number or a truth counts as the text that a file has of it."""
    known = {text: text for text in column["categories"]}
    with_missing = _with_missing(column, column["missing_values"])

    def parse(value: Any) -> Any:
        if isinstance(value, str) and value in known:
            return value
        if not isinstance(value, (str, int, float)):
            raise PydanticKnownError("string_type")
        return with_missing(category(value))

    return Annotated[Any, PlainValidator(parse), WithJsonSchema({"type": "string"})]


def _date(column: dict[str, Any]) -> Any:
    """Return a date and time in UTC; without a zone it is UTC already."""
    its_format = column["format"]
    accepted = (
        f"in the form {its_format}"
        if its_format
        else "like 2026-11-23 or 2026-11-23T10:00:00Z, from year 1 to 9999 in UTC"
    )
    words = map(datetime.datetime.fromisoformat, column["missing_values"])
    with_missing = _with_missing(column, words)

    def parse(text: Any) -> Any:
        found = date(text, its_format) if isinstance(text, str) else None
        if found is None:
            message = "Input should be a text with a date {accepted}"
            raise PydanticCustomError("date", message, {"accepted": accepted})
        return with_missing(found)

    schema = {"type": "string"} if its_format else {"type": "string", "format": "date-time"}
    return Annotated[Any, PlainValidator(parse), WithJsonSchema(schema)]


def _with_missing(column: dict[str, Any], words: Iterable[Any]) -> Callable[[Any], Any]:
    """Return what makes None of a value that means "missing", where training saw some missing, and else refuses it."""
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


_KINDS = {"numeric": _number, "boolean": _truth, "categorical": _text, "date": _date}


def _told(column: dict[str, Any]) -> str:
    told = [column["kind"]]
    if column.get("minimum") is not None:
        told.append(f"seen from {column['minimum']} to {column['maximum']}")
    if column.get("categories"):
        seen = [str(category) for category in column["categories"][:10]]
        more = len(column["categories"]) - len(seen)
        told.append(f"seen: {', '.join(seen)}" + (f" and {more} more" if more else ""))
    if column["kind"] == "date":
        told.append(f"in the form {column['format']}" if column["format"] else "ISO 8601, UTC")
    if column["missing"]:
        words = [str(word) for word in column["missing_values"] if word != ""]
        told.append(f"null if missing{', or ' if words else ''}{', '.join(words[:10])}")
    return "; ".join(told)
