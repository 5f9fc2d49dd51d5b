"""Numbers as the report and the model card write them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Optional


def number(value: Optional[float]) -> str:
    """Format a metric's value, like 0.9934 or 12,345.7; a dash if it is not defined."""
    if value is None or value != value:
        return "–"
    return f"{value:.4f}" if abs(value) < 100 else f"{value:,.1f}"


def axis(value: float) -> str:
    """Format a number in at most nine characters, for the axis of a plot."""
    if 100 <= abs(value) < 10_000_000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def signed(value: Optional[float]) -> str:
    """Format a difference, with its sign."""
    text = number(value)
    return f"+{text}" if value is not None and value > 0 else text


def interval(found: Mapping[str, Any]) -> str:
    """Format the bounds of an estimate, like "0.9812 to 1.0000"."""
    return f"{number(found.get('lower'))} to {number(found.get('upper'))}"
