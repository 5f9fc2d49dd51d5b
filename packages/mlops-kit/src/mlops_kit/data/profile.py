"""What the rows to fit on looked like, column by column: what the service tells its users and checks."""

from __future__ import annotations

from typing import Any

from .columns import Columns


def profile(columns: Columns, rows: Any) -> list[dict[str, Any]]:
    """Return for each column its name, kind, whether values were missing, and its range.

    Numbers have `minimum` and `maximum`; dates the same as ISO texts in UTC, and the `format` that the
    data's texts have (None: ISO).
    """
    return [_described(name, kind, rows[name], columns) for name, kind in columns.kinds.items()]


def _described(name: str, kind: str, values: Any, columns: Columns) -> dict[str, Any]:
    described: dict[str, Any] = {"name": name, "kind": kind, "missing": bool(values.isna().any())}
    present = values.dropna()
    if kind == "numeric":
        described["minimum"] = float(present.min()) if len(present) else None
        described["maximum"] = float(present.max()) if len(present) else None
    if kind == "date":
        described["minimum"] = present.min().isoformat() if len(present) else None
        described["maximum"] = present.max().isoformat() if len(present) else None
        described["format"] = columns.date_formats.get(name)
    return described
