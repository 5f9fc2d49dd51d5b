"""Data loading: from the source to the training set and the test set.

The names that a project's own data.py needs are exported here. They are imported on first use: every command
imports settings.py, and pandas takes a second.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .columns import Columns
    from .dataset import Dataset, fingerprints, load

__all__ = ["Columns", "Dataset", "fingerprints", "load"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = "columns" if name == "Columns" else "dataset"
    return getattr(import_module(f".{home}", __name__), name)
