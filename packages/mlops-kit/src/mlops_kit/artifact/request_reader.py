"""The fast parser of request bodies, by msgspec in one pass; what it does not accept, request_schema.py validates."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Optional, Union

import msgspec

from mlops_kit.core.features import LARGEST

from .encoding import Values

# A number or a boolean is a valid category, too, but a rare one: it is left to pydantic, which keeps how it was written.
_TYPES: dict[str, Any] = {
    "numeric": Annotated[float, msgspec.Meta(ge=-LARGEST, le=LARGEST)],
    "boolean": bool,
    "categorical": str,
    "date": str,
}


class Reader:
    """Parses {"rows": [row, ...]} into values by column, without a mapping for each row."""

    def __init__(
        self,
        columns: list[dict[str, Any]],
        most_rows: int,
        parsers: dict[str, Callable[[Any], Any]],
    ) -> None:
        """Take `columns` of model.json, the most rows of a request, and the parsers of some columns by name."""
        self._names = [column["name"] for column in columns]
        self._parsers = parsers
        self._decoder = _decoder(columns, most_rows)

    def values(self, text: Union[bytes, bytearray, str]) -> Values:
        """Return the values by column, as `Checker` does.

        Raises:
            ValueError: The body is invalid, or only pydantic can parse it.
        """
        if self._decoder is None:
            raise ValueError("msgspec takes no such column")
        try:
            decoded = self._decoder.decode(text).rows
        except msgspec.DecodeError as error:  # a ValueError only since msgspec 0.21
            raise ValueError(str(error)) from None
        rows = map(msgspec.structs.astuple, decoded)
        values: dict[str, Any] = dict(zip(self._names, zip(*rows)))
        for name, parse in self._parsers.items():
            values[name] = [None if value is None else parse(value) for value in values[name]]
        return values


def _decoder(columns: list[dict[str, Any]], most_rows: int) -> Any:
    """Return the decoder of a body, or None where a column's name has a character that msgspec does not support."""
    fields: list[Any] = []
    names: dict[str, str] = {}
    for place, column in enumerate(columns):
        kind = _TYPES[column["kind"]]
        names[f"c{place}"] = column["name"]
        fields.append((f"c{place}", Optional[kind] if column["missing"] else kind))
    closed: dict[str, Any] = {"forbid_unknown_fields": True, "gc": False}
    try:
        row = msgspec.defstruct("Row", fields, rename=names, **closed)
    except ValueError:
        return None
    rows = Annotated[list[row], msgspec.Meta(min_length=1, max_length=most_rows)]  # type: ignore[valid-type] # made above
    return msgspec.json.Decoder(msgspec.defstruct("Request", [("rows", rows)], **closed))
