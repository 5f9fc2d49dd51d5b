"""The folder that `make export` writes: the model, what is known about it, a request to try, and their checksums."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from mlops_kit.core.errors import UserError

FOLDER = Path("artifacts/model")
CARD = "model.json"
EXAMPLE = "example.json"  # a request with one real row
SUMS = "SHA256SUMS"
FILES = {"onnx": "model.onnx", "skops": "model.skops"}


def read_card(folder: Path) -> dict[str, Any]:
    """Return what model.json says, after comparing every file with its checksum.

    Raises:
        UserError: A file is missing, or is not the one that was exported.
    """
    for name, expected in _sums(folder).items():
        try:
            found = hashlib.sha256((folder / name).read_bytes()).hexdigest()
        except OSError as error:
            raise UserError(f"{folder / name} cannot be read: {error.strerror}") from None
        if found != expected:
            raise UserError(
                f"{folder / name} was changed after its export: its SHA-256 is {found}, not {expected}"
                " (make export writes it again)"
            )
    card: dict[str, Any] = json.loads((folder / CARD).read_text(encoding="utf-8"))
    return card


def sums(folder: Path, names: list[str]) -> str:
    """Return the checksums of the files `names`, one line each, as sha256sum writes them."""
    digests = [hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names]
    return "".join(f"{digest}  {name}\n" for digest, name in zip(digests, names))


def _sums(folder: Path) -> dict[str, str]:
    try:
        # Bytes, because a text's lines may end in other characters than "\n", too.
        *lines, end = (folder / SUMS).read_bytes().decode().split("\n")
        listed = {name: digest for digest, name in (line.split("  ") for line in lines)}
        if end:
            raise ValueError(end)
    except FileNotFoundError:
        raise UserError(f"{folder / SUMS} not found: there is no model yet (make export)") from None
    except (ValueError, OSError):
        listed = {}
    if CARD not in listed or not set(listed) & set(FILES.values()):
        raise UserError(f"{folder / SUMS} is damaged (make export writes it again)")
    return listed
