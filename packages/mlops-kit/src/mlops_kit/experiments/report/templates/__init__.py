"""Render pages without external files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ..numbers import axis, interval, number, signed


def render(name: str, content: dict[str, Any]) -> str:
    """Return the page that the template `name` makes of `content`."""
    # Names and values are untrusted: everything is escaped that is not in the template itself.
    environment = Environment(
        autoescape=True,
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    environment.filters.update(axis=axis, number=number, signed=signed, interval=interval)
    return environment.get_template(name).render(content)
