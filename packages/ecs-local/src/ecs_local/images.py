"""The store of pushed images: blobs by digest, manifests and tags by repository."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tarfile
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Optional

from .files import write_text

# The label of an image of plain files, without a root filesystem, which runs as a process. The build sets it.
PACKED = "ecs-local.packed"
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def digest_of(data: bytes) -> str:
    """Return the digest by which a registry identifies these bytes: sha256:HEX."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def is_digest(text: str) -> bool:
    """Return whether a text is a sha256 digest."""
    return bool(_DIGEST.fullmatch(text))


class DigestMismatchError(ValueError):
    """The bytes do not match their digest."""


class Images:
    """All images under one folder; nothing is changed in place."""

    def __init__(self, folder: Path) -> None:
        self._registry = folder / "registry"
        self._unpacked = folder / "images"
        self._registry.mkdir(parents=True, exist_ok=True)

    def blob(self, digest: str) -> Path:
        """Return the file of a blob, whether or not it exists.

        Raises:
            ValueError: `digest` is not a sha256 digest.
        """
        if not is_digest(digest):
            raise ValueError(f"{digest!r} is no sha256 digest")
        return self._registry / "blobs" / digest.partition(":")[2]

    def add_blob(self, parts: Iterable[bytes], digest: str) -> None:
        """Store a blob.

        Raises:
            DigestMismatchError: It has another digest; nothing is stored.
        """
        path = self.blob(digest)
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent)
        try:
            found = hashlib.sha256()
            with os.fdopen(handle, "wb") as file:
                for part in parts:
                    found.update(part)
                    file.write(part)
            if f"sha256:{found.hexdigest()}" != digest:
                raise DigestMismatchError(f"the digest is sha256:{found.hexdigest()}, not {digest}")
            Path(temporary).replace(path)
        finally:
            Path(temporary).unlink(missing_ok=True)

    def add_manifest(self, repository: str, tag: str, data: bytes, media_type: str) -> str:
        """Store a manifest under its digest and, unless it is empty, under a tag; return the digest."""
        digest = digest_of(data)
        self.add_blob([data], digest)
        write_text(self._note(repository, "manifests", digest.partition(":")[2]), media_type)
        if tag:
            write_text(self._note(repository, "tags", tag), digest)
        return digest

    def manifest(self, repository: str, reference: str) -> Optional[tuple[str, str]]:
        """Return digest and media type of a tag or digest of a repository, or None."""
        digest = reference
        if not is_digest(reference):
            tag = self._note(repository, "tags", reference)
            if not tag.is_file():
                return None
            digest = tag.read_text(encoding="utf-8")
        kind = self._note(repository, "manifests", digest.partition(":")[2])
        return (digest, kind.read_text(encoding="utf-8")) if kind.is_file() else None

    def config(self, digest: str) -> dict[str, Any]:
        """Return the configuration of an image; of an index it is empty."""
        manifest = json.loads(self.blob(digest).read_bytes())
        if "config" not in manifest:
            return {}
        config = json.loads(self.blob(manifest["config"]["digest"]).read_bytes())
        return dict(config.get("config") or {})

    def unpacked(self, digest: str) -> Path:
        """Return the folder with the files of a packed image."""
        folder = self._unpacked / digest.partition(":")[2]
        if not folder.is_dir():
            self._unpacked.mkdir(parents=True, exist_ok=True)
            temporary = Path(tempfile.mkdtemp(dir=self._unpacked))
            manifest = json.loads(self.blob(digest).read_bytes())
            for layer in manifest["layers"]:
                _extract(self.blob(layer["digest"]), temporary)
            try:
                temporary.rename(folder)
            except OSError:  # another task of the same image was faster
                shutil.rmtree(temporary)
        return folder

    def _note(self, repository: str, kind: str, name: str) -> Path:
        return self._registry / "repositories" / repository / f"_{kind}" / name


def _extract(layer: Path, folder: Path) -> None:
    """Unpack plain files and folders into `folder`.

    Raises:
        ValueError: The layer has a link, a device or a path outside of `folder`.
    """
    with tarfile.open(layer) as archive:
        for member in archive:
            path = Path(member.name)
            if path.is_absolute() or ".." in path.parts or not (member.isreg() or member.isdir()):
                raise ValueError(f"the layer has {member.name!r}, which is no plain file")
            target = folder / path
            if member.isdir():
                target.mkdir(parents=True, exist_ok=True)
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            content = archive.extractfile(member)
            if content:
                target.write_bytes(content.read())
