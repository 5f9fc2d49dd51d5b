"""The schema of a request: pydantic types built from the model's columns, which validate the JSON.

Nearly every request is valid, and request_reader.py parses it in a quarter of the time. pydantic gets the others: it
reports their errors, or accepts values that are valid but rare. Both use the same parsers, value_parsers.py.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from itertools import islice
from typing import Annotated, Any, Literal, Optional, Union

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    PlainValidator,
    TypeAdapter,
    ValidationError,
    WithJsonSchema,
)
from pydantic_core import from_json
from typing_extensions import TypedDict

from mlops_kit.core.features import LARGEST

from . import value_parsers
from .encoding import Values
from .request_reader import Reader

_MOST_PROBLEMS = 100


class RefusedRowsError(ValueError):
    """The rows are invalid: `problems` has at most 100 errors, of fields only those of the first invalid row."""

    def __init__(self, problems: Iterable[dict[str, Any]]) -> None:
        """Take the errors, each with type, loc and msg as FastAPI has them."""
        self.problems = list(islice(problems, _MOST_PROBLEMS))
        super().__init__(self.problems)


class Checker:
    """Validates the body of a request: {"rows": [row, ...]}, with a value for each column in every row.

    pydantic validates the values, and this class the keys: pydantic would make an error with a copy of the whole row for
    each missing key, and one for each unknown key, which takes seconds and hundreds of megabytes.
    """

    def __init__(
        self, columns: list[dict[str, Any]], example: dict[str, Any], most_rows: int
    ) -> None:
        """Take `columns` of model.json, an example row, and the most rows of a request."""
        row = _mapping("Row", _fields(columns, example), total=False, extra="allow")
        # Without fail_fast there would be up to rows x columns errors.
        its_rows = Field(min_length=1, max_length=most_rows, fail_fast=True)
        rows = Annotated[list[row], its_rows]  # type: ignore[valid-type] # made above
        self._body = TypeAdapter(_mapping("Request", {"rows": rows}, total=True, extra="allow"))
        self._names = {column["name"]: None for column in columns}
        self._last = columns[-1]["name"]
        self._reader = Reader(columns, most_rows, value_parsers.of(columns))

    def values(self, text: Union[bytes, bytearray, str]) -> Values:
        """Validate a request's body, and return its values by column.

        Raises:
            RefusedRowsError: The body is invalid.
        """
        try:
            return self._reader.values(text)
        except ValueError:
            rows = self._rows(text)
        return {name: [row[name] for row in rows] for name in self._names}

    def _rows(self, text: Union[bytes, bytearray, str]) -> list[dict[str, Any]]:
        try:
            request = self._body.validate_json(text)
        except ValidationError as error:
            raise RefusedRowsError(self._problems(error, text)) from None
        rows: list[dict[str, Any]] = request["rows"]
        if len(request) > 1 or not all(map(self._has_all, rows)):
            raise RefusedRowsError(self._wrong_keys(request, len(rows)))
        return rows

    def _has_all(self, row: dict[str, Any]) -> bool:
        # pydantic returns known keys in its own order, and unknown ones after them.
        return len(row) == len(self._names) and next(reversed(row)) == self._last

    def _problems(
        self, error: ValidationError, text: Union[bytes, bytearray, str]
    ) -> Iterator[dict[str, Any]]:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        where = found[0]["loc"]
        number = int(where[1]) if len(where) > 1 else -1
        keys: list[dict[str, Any]] = []
        with suppress(ValueError):  # it is not JSON
            wrong_keys = self._wrong_keys(from_json(text), number + 1)
            keys = list(islice(wrong_keys, _MOST_PROBLEMS))
        if not any(len(one["loc"]) > 3 and one["loc"][2] < number for one in keys):
            for one in found:
                yield {"type": one["type"], "loc": ["body", *one["loc"]], "msg": one["msg"]}
        yield from keys

    def _wrong_keys(self, request: Any, count: int) -> Iterator[dict[str, Any]]:
        """Yield the errors of unknown keys next to "rows", and of all keys of the first wrong one of `count` rows."""
        if not isinstance(request, dict):
            return
        yield from _unknown(["body"], request, {"rows"})
        for number in range(count):
            row = request["rows"][number]
            if isinstance(row, dict) and row.keys() != self._names.keys():
                place = ["body", "rows", number]
                for name in self._names:
                    if name not in row:
                        yield {"type": "missing", "loc": [*place, name], "msg": "Field required"}
                yield from _unknown(place, row, self._names)
                return


def _unknown(
    place: list[Any], mapping: dict[str, Any], known: Collection[str]
) -> Iterator[dict[str, Any]]:
    message = "Extra inputs are not permitted"
    for key in mapping:
        if key not in known:
            yield {"type": "extra_forbidden", "loc": [*place, key], "msg": message}


def _fields(columns: list[dict[str, Any]], example: dict[str, Any]) -> dict[str, Any]:
    """Return a type for each column; null is valid only where training saw missing values."""
    return {column["name"]: _field(column, example.get(column["name"])) for column in columns}


def _mapping(
    name: str, fields: dict[str, Any], total: bool, extra: Literal["allow", "forbid"]
) -> Any:
    made = TypedDict(name, fields, total=total)  # type: ignore[misc] # known only here
    its_config = ConfigDict(extra=extra, strict=True)
    made.__pydantic_config__ = its_config  # type: ignore[attr-defined] # pydantic's documented name
    return made


def body_schema(
    columns: list[dict[str, Any]], example: dict[str, Any], most_rows: int
) -> dict[str, Any]:
    """Return the JSON schema of the bodies that `Checker` accepts, for the OpenAPI document."""
    row = TypeAdapter(
        _mapping("Row", _fields(columns, example), total=True, extra="forbid")
    ).json_schema()
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
    return Annotated[kind, Field(description=_description(column), examples=[example])]


def _number(column: dict[str, Any]) -> Any:
    number = Annotated[float, Field(allow_inf_nan=False, ge=-LARGEST, le=LARGEST)]
    if not column["missing_values"]:
        return number
    checked = AfterValidator(value_parsers.number(column))
    return Annotated[number, checked, WithJsonSchema({**_FINITE, **_present(column)})]


def _truth(_column: dict[str, Any]) -> Any:
    return bool


def _text(column: dict[str, Any]) -> Any:
    schema = {"type": ["string", "number", "boolean"], **_present(column)}
    if not column["missing"]:
        schema["pattern"] = r"\S"
    return Annotated[Any, PlainValidator(value_parsers.text(column)), WithJsonSchema(schema)]


def _date(column: dict[str, Any]) -> Any:
    schema = {"type": "string"} if column["format"] else {"type": "string", "format": "date-time"}
    return Annotated[
        Any, PlainValidator(value_parsers.date_and_time(column)), WithJsonSchema(schema)
    ]


def _present(column: dict[str, Any]) -> dict[str, Any]:
    """Return JSON schema that refuses the values that mean "missing", where training saw none missing."""
    refused = not column["missing"] and column["missing_values"]
    return {"not": {"enum": column["missing_values"]}} if refused else {}


_FINITE = {"type": "number", "minimum": -LARGEST, "maximum": LARGEST}
_KINDS = {"numeric": _number, "boolean": _truth, "categorical": _text, "date": _date}


def _description(column: dict[str, Any]) -> str:
    parts = [column["kind"]]
    if column.get("minimum") is not None:
        parts.append(f"seen from {column['minimum']} to {column['maximum']}")
    if column.get("categories"):
        seen = [str(category) for category in column["categories"][:10]]
        more = len(column["categories"]) - len(seen)
        parts.append(f"seen: {', '.join(seen)}" + (f" and {more} more" if more else ""))
    if column["kind"] == "date":
        parts.append(f"in the form {column['format']}" if column["format"] else "ISO 8601, UTC")
    if column["missing"]:
        words = [str(word) for word in column["missing_values"] if word != ""]
        parts.append(f"null if missing{', or ' if words else ''}{', '.join(words[:10])}")
    return "; ".join(parts)
