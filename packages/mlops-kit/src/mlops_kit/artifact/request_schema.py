"""What a request may hold: types made from the model's columns, checked by pydantic from the JSON text."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Collection, Iterable, Iterator
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
from pydantic_core import PydanticCustomError, PydanticKnownError, from_json
from typing_extensions import TypedDict

from mlops_kit.core.features import LARGEST
from mlops_kit.core.values import category, date

_MOST_PROBLEMS = 100


class RefusedRowsError(ValueError):
    """Why rows are refused: `problems` names at most 100 places, of wrong fields those of the first wrong row."""

    def __init__(self, problems: Iterable[dict[str, Any]]) -> None:
        """Take what is wrong, as FastAPI tells it."""
        self.problems = list(islice(problems, _MOST_PROBLEMS))
        super().__init__(self.problems)


class Checker:
    """Checks the body of a request: {"rows": [row, ...]}, with a value for each column in every row.

    pydantic checks the values, and this the keys: it would make an error with a copy of the whole row of each key that
    is missing, and one of each that is unknown, which takes seconds and hundreds of megabytes.
    """

    def __init__(
        self, columns: list[dict[str, Any]], example: dict[str, Any], most_rows: int
    ) -> None:
        """Take the columns as model.json describes them, and how many rows a request may have."""
        row = _mapping("Row", _fields(columns, example), total=False, extra="allow")
        # Telling of every bad row makes rows x columns errors.
        its_rows = Field(min_length=1, max_length=most_rows, fail_fast=True)
        rows = Annotated[list[row], its_rows]  # type: ignore[valid-type] # made above
        self._body = TypeAdapter(_mapping("Request", {"rows": rows}, total=True, extra="allow"))
        self._names = {column["name"]: None for column in columns}
        self._last = columns[-1]["name"]

    def rows(self, text: Union[bytes, bytearray, str]) -> list[dict[str, Any]]:
        """Return the rows, as mappings of column names to values.

        Raises:
            RefusedRowsError: The text is no such body.
        """
        try:
            request = self._body.validate_json(text)
        except ValidationError as error:
            raise RefusedRowsError(self._problems(error, text)) from None
        rows: list[dict[str, Any]] = request["rows"]
        if len(request) > 1 or not all(map(self._has_all, rows)):
            raise RefusedRowsError(self._wrong_keys(request, len(rows)))
        return rows

    def _has_all(self, row: dict[str, Any]) -> bool:
        # pydantic returns what it knows in its own order, and what it does not know behind that.
        return len(row) == len(self._names) and next(reversed(row)) == self._last

    def _problems(
        self, error: ValidationError, text: Union[bytes, bytearray, str]
    ) -> Iterator[dict[str, Any]]:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        where = found[0]["loc"]
        number = int(where[1]) if len(where) > 1 else -1
        keys: list[dict[str, Any]] = []
        with suppress(ValueError):  # it is no JSON
            wrong_keys = self._wrong_keys(from_json(text), number + 1)
            keys = list(islice(wrong_keys, _MOST_PROBLEMS))
        if not any(len(one["loc"]) > 3 and one["loc"][2] < number for one in keys):
            for one in found:
                yield {"type": one["type"], "loc": ["body", *one["loc"]], "msg": one["msg"]}
        yield from keys

    def _wrong_keys(self, request: Any, count: int) -> Iterator[dict[str, Any]]:
        """Name unknown keys beside the rows, and all wrong ones of the first row of `count` that has any."""
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
    """Return a type for each column; null only where training saw it missing."""
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
    """Return what `Checker` accepts as JSON schema, for the OpenAPI document."""
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
    return Annotated[kind, Field(description=_told(column), examples=[example])]


def _number(column: dict[str, Any]) -> Any:
    number = Annotated[float, Field(allow_inf_nan=False, ge=-LARGEST, le=LARGEST)]
    if not column["missing_values"]:
        return number
    checked = AfterValidator(_with_missing(column, column["missing_values"]))
    return Annotated[number, checked, WithJsonSchema({**_FINITE, **_present(column)})]


def _truth(_column: dict[str, Any]) -> Any:
    return bool


def _text(column: dict[str, Any]) -> Any:
    """Return the text of a category; a number or a truth counts as the text that a file has of it."""
    known = frozenset(column["categories"])
    with_missing = _with_missing(column, column["missing_values"])

    def parse(value: Any) -> Any:
        if isinstance(value, str) and value in known:
            return value
        if not isinstance(value, (str, int, float)):
            raise PydanticKnownError("string_type")
        return with_missing(category(value))

    schema = {"type": ["string", "number", "boolean"], **_present(column)}
    if not column["missing"]:
        schema["pattern"] = r"\S"
    return Annotated[Any, PlainValidator(parse), WithJsonSchema(schema)]


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


def _present(column: dict[str, Any]) -> dict[str, Any]:
    """Return what says in JSON schema that no value means "missing", where none may."""
    refused = not column["missing"] and column["missing_values"]
    return {"not": {"enum": column["missing_values"]}} if refused else {}


_FINITE = {"type": "number", "minimum": -LARGEST, "maximum": LARGEST}
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
