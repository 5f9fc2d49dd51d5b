"""Load files of skops, without running code from them and without unpacking a zip bomb."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path
from typing import Any

from .trusted_types import import_estimators, trusted_types

_MOST_TIMES = (
    10  # skops stores without compression, so what it wrote unpacks to less than its own size
)


def skops_io() -> Any:
    """Return the module skops.io, imported without its search for estimators.

    The search imports all of scikit-learn, its tests and what it has for Dask, and takes a second of each command. Without it
    skops trusts no estimator by itself, and `trusted_types` names them.
    """
    if "skops.io" not in sys.modules:
        import sklearn.utils  # the service's image has both only where the model needs them

        search = sklearn.utils.all_estimators
        sklearn.utils.all_estimators = list
        try:
            import skops.io  # noqa: F401 # found below
        finally:
            sklearn.utils.all_estimators = search
    return sys.modules["skops.io"]


def load(file: Path) -> Any:
    """Return the object stored in `file`.

    Raises:
        ValueError: It would unpack to more than ten times its size.
    """
    with zipfile.ZipFile(file) as archive:
        unpacked = sum(entry.file_size for entry in archive.infolist())
    size = file.stat().st_size
    if unpacked > _MOST_TIMES * size:
        raise ValueError(f"{size} bytes that unpack to {unpacked} were not written by make")
    skops = skops_io()
    import_estimators(skops.get_untrusted_types(file=file))
    return skops.load(file, trusted=trusted_types())
