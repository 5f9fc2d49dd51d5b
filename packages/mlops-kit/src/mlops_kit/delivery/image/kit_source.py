"""The source of the kit in an image: the folder of this checkout or, where that was deleted, the installed wheel."""

from __future__ import annotations

import shutil
from pathlib import Path

import mlops_kit

FOLDER = Path("packages/mlops-kit/src/mlops_kit")  # in the checkout, and in every image
COPY = Path("artifacts/kit")  # of the wheel's code, because the build context is the checkout


def folder() -> Path:
    """Return the folder of the kit's code."""
    return FOLDER if FOLDER.is_dir() else Path(mlops_kit.__file__).parent


def in_checkout() -> Path:
    """Return the folder that a build can copy the kit from; the wheel's code is copied there anew."""
    source = folder()
    if source == FOLDER:
        return FOLDER
    shutil.rmtree(COPY, ignore_errors=True)
    return Path(shutil.copytree(source, COPY, ignore=shutil.ignore_patterns("__pycache__")))
