"""Loading what skops has stored, without running code from it and without unpacking more than there can be."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

from .trusted_types import trusted_types

_MOST_TIMES = (
    10  # skops stores without compression, so what it wrote unpacks to less than its own size
)


def load(file: Path) -> Any:
    """Return what `file` holds.

    Raises:
        ValueError: It would unpack to more than ten times its size.
    """
    import skops.io  # the service's image has it only where the model needs it

    with zipfile.ZipFile(file) as archive:
        unpacked = sum(entry.file_size for entry in archive.infolist())
    size = file.stat().st_size
    if unpacked > _MOST_TIMES * size:
        raise ValueError(f"{size} bytes that unpack to {unpacked} were not written by make")
    return skops.io.load(file, trusted=trusted_types())
