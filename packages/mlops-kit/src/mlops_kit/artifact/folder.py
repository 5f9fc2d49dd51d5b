"""The folder that `make export` writes: the model, its manifest, an example request, and their checksums."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from mlops_kit.core.errors import UserError

FOLDER = Path("artifacts/model")
MANIFEST = "model.json"
EXAMPLE = "example.json"  # a request with one row of the test set
SUMS = "SHA256SUMS"
CHALLENGER = "challenger"  # a subfolder with the same files, where a challenger was exported
FILES = {"onnx": "model.onnx", "skops": "model.skops"}


def read_manifest(folder: Path) -> dict[str, Any]:
    """Verify the checksum of every file, and return model.json.

    Raises:
        UserError: A file is missing, was changed, or is not listed in SHA256SUMS.
    """
    sums = _sums(folder)
    for path in sorted(folder.iterdir()):
        if path.name not in (*sums, SUMS, CHALLENGER):
            raise UserError(
                f"{path} is not listed in {folder / SUMS}: remove it, or write the folder again (make export)"
            )
    for name, expected in sums.items():
        try:
            found = hashlib.sha256(_read(folder / name)).hexdigest()
        except OSError as error:
            raise UserError(f"{folder / name} cannot be read: {error.strerror}") from None
        if found != expected:
            raise UserError(
                f"{folder / name} was changed after its export: its SHA-256 is {found}, not {expected}"
                " (make export writes it again)"
            )
    manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    return manifest


def sums(folder: Path, names: list[str]) -> str:
    """Return the SHA-256 of the files `names`, one line each, as `sha256sum` writes them."""
    digests = [hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names]
    return "".join(f"{digest}  {name}\n" for digest, name in zip(digests, names))


def _read(path: Path) -> bytes:
    """Return the content of a regular file; refuse a symbolic link, and a pipe, which may never end."""
    if path.exists() and (path.is_symlink() or not path.is_file()):
        raise UserError(f"{path} is no plain file (make export writes it again)")
    return path.read_bytes()


def _sums(folder: Path) -> dict[str, str]:
    try:
        # Bytes, because reading text would turn other line ends into "\n".
        *lines, end = (folder / SUMS).read_bytes().decode().split("\n")
        listed = {name: digest for digest, name in (line.split("  ") for line in lines)}
        if end:
            raise ValueError(end)
    except FileNotFoundError:
        raise UserError(f"{folder / SUMS} not found: there is no model yet (make export)") from None
    except (ValueError, OSError):
        listed = {}
    are_plain = all(name == Path(name).name and name not in ("", "..") for name in listed)
    if not are_plain or MANIFEST not in listed or not set(listed) & set(FILES.values()):
        raise UserError(f"{folder / SUMS} is damaged (make export writes it again)")
    return listed
