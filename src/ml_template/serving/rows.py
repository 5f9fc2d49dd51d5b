"""What a request may hold: types made from the model's columns, checked by pydantic from the JSON text."""

from __future__ import annotations

import datetime
from typing import Annotated, Any, Optional

from pydantic import BeforeValidator, ConfigDict, Field, TypeAdapter, WithJsonSchema
from typing_extensions import TypedDict

_STRICT = ConfigDict(extra="forbid", strict=True)


def row_type(columns: list[dict[str, Any]], example: dict[str, Any]) -> Any:
    """Return a TypedDict with a key for each column, all required; null only where training saw it missing."""
    return _closed(
        "Row", {column["name"]: _field(column, example.get(column["name"])) for column in columns}
    )


def body(
    columns: list[dict[str, Any]], example: dict[str, Any], most_rows: int
) -> TypeAdapter[Any]:
    """Return the checker of a request's body: {"rows": [row, ...]}."""
    row = row_type(columns, example)
    rows = Annotated[list[row], Field(min_length=1, max_length=most_rows)]  # type: ignore[valid-type] # made above
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
    return Annotated[float, Field(allow_inf_nan=False)]


def _truth(_column: dict[str, Any]) -> Any:
    return bool


def _text(_column: dict[str, Any]) -> Any:
    return str


def _date(column: dict[str, Any]) -> Any:
    its_format = column["format"]
    if its_format is None:
        return datetime.datetime

    def parse(text: Any) -> datetime.datetime:
        if not isinstance(text, str):
            raise ValueError(f"a text in the form {its_format} is expected")
        try:
            return datetime.datetime.strptime(text, its_format)
        except ValueError:
            raise ValueError(f"{text[:40]!r} does not have the form {its_format}") from None

    return Annotated[datetime.datetime, BeforeValidator(parse), WithJsonSchema({"type": "string"})]


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
