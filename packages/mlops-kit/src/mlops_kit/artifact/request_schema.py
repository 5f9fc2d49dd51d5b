"""What a request may hold: types made from the model's columns, checked by pydantic from the JSON text."""

from __future__ import annotations

import datetime
import re
from typing import Annotated, Any, Optional

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, TypeAdapter, WithJsonSchema
from pydantic_core import PydanticCustomError
from typing_extensions import TypedDict

from mlops_kit.core.features import LARGEST

_STRICT = ConfigDict(extra="forbid", strict=True)

# pydantic would take "20200101" for seconds since 1970, too.
_ISO_DATE = re.compile(r"\d{4}-\d\d-\d\d")


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


def _number(_column: dict[str, Any]) -> Any:
    return Annotated[float, Field(allow_inf_nan=False, ge=-LARGEST, le=LARGEST)]


def _truth(_column: dict[str, Any]) -> Any:
    return bool


def _text(_column: dict[str, Any]) -> Any:
    return str


def _date(column: dict[str, Any]) -> Any:
    """Return a date and time in UTC; without a zone it is UTC already."""
    its_format = column["format"]
    if its_format is None:
        iso = Annotated[datetime.datetime, Field(strict=False), BeforeValidator(_checked_iso)]
        return Annotated[iso, AfterValidator(_in_utc)]

    def parse(text: Any) -> datetime.datetime:
        try:
            return datetime.datetime.strptime(text, its_format)
        except (TypeError, ValueError):
            raise _no_date(f"in the form {its_format}") from None

    own = Annotated[datetime.datetime, BeforeValidator(parse), WithJsonSchema({"type": "string"})]
    return Annotated[own, AfterValidator(_in_utc)]


def _checked_iso(text: Any) -> str:
    if isinstance(text, str) and _ISO_DATE.match(text):
        return text
    raise _no_date("like 2026-11-23 or 2026-11-23T10:00:00Z")


def _in_utc(date: datetime.datetime) -> datetime.datetime:
    if date.tzinfo is None:
        return date
    try:
        return date.astimezone(datetime.timezone.utc).replace(tzinfo=None)
    except OverflowError:
        raise _no_date("from year 1 to 9999 in UTC") from None


def _no_date(accepted: str) -> PydanticCustomError:
    return PydanticCustomError(
        "date", "Input should be a text with a date {accepted}", {"accepted": accepted}
    )


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
        told.append("null if missing")
    return "; ".join(told)
