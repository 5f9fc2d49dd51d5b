"""Pages that need nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ..numbers import axis, interval, number, signed


def rendered(name: str, told: dict[str, Any]) -> str:
    """Return the page that the template `name` makes of what is told."""
    # Names and values are other people's: everything is escaped that a template does not hold itself.
    environment = Environment(
        autoescape=True,
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    environment.filters.update(axis=axis, number=number, signed=signed, interval=interval)
    return environment.get_template(name).render(told)
