"""The profile of the training set, column by column: the service documents it and checks requests by it."""

from __future__ import annotations

from typing import Any

from mlops_kit.core.values import Missing

from .columns import Columns


def profile(columns: Columns, rows: Any) -> list[dict[str, Any]]:
    """Return for each column its name, kind, whether values were missing, and its range.

    Numbers have `minimum` and `maximum`; dates have them as ISO 8601 strings in UTC. `format` is that of the data's strings:
    1234.5 in the column's spelling, or a strptime format (None: the default, ISO 8601). `missing_values` are the values
    that, like None, mean "missing" in a request.
    """
    words = Missing(columns.missing_values)
    return [
        _described(name, kind, rows[name], columns, words) for name, kind in columns.kinds.items()
    ]


def _described(
    name: str, kind: str, values: Any, columns: Columns, words: Missing
) -> dict[str, Any]:
    described: dict[str, Any] = {"name": name, "kind": kind, "missing": bool(values.isna().any())}
    described["missing_values"] = _meaning_missing(kind, columns.date_formats.get(name), words)
    present = values.dropna()
    if kind == "numeric":
        described["minimum"] = float(present.min()) if len(present) else None
        described["maximum"] = float(present.max()) if len(present) else None
        described["format"] = columns.number_formats.get(name)
    if kind == "date":
        described["minimum"] = present.min().isoformat() if len(present) else None
        described["maximum"] = present.max().isoformat() if len(present) else None
        described["format"] = columns.date_formats.get(name)
    return described


def _meaning_missing(kind: str, its_format: str | None, words: Missing) -> list[Any]:
    if kind == "categorical":
        return sorted(words.texts)
    if kind == "numeric":
        return sorted(words.numbers)
    if kind == "date":
        return [moment.isoformat() for moment in sorted(words.dates(its_format))]
    return []
