"""Numbers as the report and the model card write them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Optional


def number(value: Optional[float]) -> str:
    """Return a metric's value: 0.9934, 12,345.7; a dash where it is not defined."""
    if value is None or value != value:
        return "–"
    return f"{value:.4f}" if abs(value) < 100 else f"{value:,.1f}"


def axis(value: float) -> str:
    """Return a number in at most nine characters, for the margin of a drawing."""
    if 100 <= abs(value) < 10_000_000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def signed(value: Optional[float]) -> str:
    """Return a difference, with its sign."""
    text = number(value)
    return f"+{text}" if value is not None and value > 0 else text


def interval(found: Mapping[str, Any]) -> str:
    """Return the bounds of an estimate: 0.9812 to 1.0000."""
    return f"{number(found.get('lower'))} to {number(found.get('upper'))}"
