"""Load skops files without running code from them, and reject zip bombs."""

from __future__ import annotations

import sys
import threading
import zipfile
from pathlib import Path
from typing import Any

from .trusted_types import import_estimators, trusted_types

_MOST_TIMES = 10  # skops does not compress: a file that it wrote unpacks to less than its own size
_importing = threading.Lock()


def skops_io() -> Any:
    """Return the module skops.io, imported without its discovery of estimators.

    On import skops calls `sklearn.utils.all_estimators`, which imports all of scikit-learn, even its tests and Dask
    support, and takes a second of each command; skops has no setting against it. So that function is replaced during the
    import, and put back after it. Without it skops trusts no estimator by default, and `trusted_types` lists them.

    One thread imports at a time: another one, as a Dask worker has several, would get a module of which a part is missing,
    or put the replacement back for good.
    """
    with _importing:
        if "skops.io" not in sys.modules:
            import sklearn.utils  # the service's image has both only if the model needs them

            search = sklearn.utils.all_estimators
            sklearn.utils.all_estimators = list
            try:
                import skops.io  # noqa: F401 # returned from sys.modules
            finally:
                sklearn.utils.all_estimators = search
    return sys.modules["skops.io"]


def load(file: Path) -> Any:
    """Return the object stored in `file`.

    Raises:
        ValueError: The file would unpack to more than ten times its size.
        UntrustedTypesFoundException: It holds a type that is not in `trusted_types`.
    """
    with zipfile.ZipFile(file) as archive:
        unpacked = sum(entry.file_size for entry in archive.infolist())
    size = file.stat().st_size
    if unpacked > _MOST_TIMES * size:
        raise ValueError(f"{size} bytes that unpack to {unpacked} were not written by make")
    skops = skops_io()
    import_estimators(skops.get_untrusted_types(file=file))
    return skops.load(file, trusted=trusted_types())
