"""Build an OCI image of plain files, without Docker, and push it to a registry on this machine.

Sources: https://github.com/opencontainers/image-spec (layer, config, manifest) and
https://github.com/opencontainers/distribution-spec (push).
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import platform
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import requests

from mlops_kit.core.errors import UserError

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
_SECONDS = 60  # timeout of a request


def digest_of(data: bytes) -> str:
    """Return the digest by which a registry knows these bytes."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


class Image(NamedTuple):
    """An image of one layer, as the bytes that are pushed."""

    layer: bytes
    config: bytes
    manifest: bytes

    @property
    def digest(self) -> str:
        """The digest of the manifest, by which the image is deployed."""
        return digest_of(self.manifest)


def layer(files: Mapping[str, Path]) -> tuple[bytes, str]:
    """Return the gzipped tar of `files` and the digest of the tar before compression, the layer's diff ID.

    Order, times and owners are fixed, so that the same files make the same layer.

    Args:
        files: The file on this machine for each path in the image.
    """
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name in sorted(files):
            data = files[name].read_bytes()
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), 0o644
            tar.addfile(entry, io.BytesIO(data))
    return gzip.compress(archive.getvalue(), mtime=0), digest_of(archive.getvalue())


def image(packed: tuple[bytes, str], config: Mapping[str, Any]) -> Image:
    """Return an image of `packed`, the result of `layer`; `config` is what `docker inspect` shows as Config."""
    data, content = packed
    described = _json(
        {
            "architecture": platform.machine(),
            "os": "linux",
            "config": config,
            "rootfs": {"type": "layers", "diff_ids": [content]},
        }
    )
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": _part(_CONFIG, described),
        "layers": [_part(_LAYER, data)],
    }
    return Image(data, described, _json(manifest))


def push(made: Image, registry: str, repository: str, tag: str) -> bool:
    """Push an image; return whether it was new.

    Raises:
        UserError: The registry cannot be reached or refuses.
    """
    base = f"http://{registry}/v2/{repository}"
    try:
        there = requests.head(f"{base}/manifests/{tag}", timeout=_SECONDS)
        if there.headers.get("Docker-Content-Digest") == made.digest:
            return False
        for blob in (made.layer, made.config):
            where = f"{base}/blobs/uploads/?digest={digest_of(blob)}"
            _accept(requests.post(where, data=blob, timeout=_SECONDS))
        headers = {"Content-Type": MANIFEST}
        where = f"{base}/manifests/{tag}"
        _accept(requests.put(where, data=made.manifest, headers=headers, timeout=_SECONDS))
    except requests.ConnectionError:
        raise UserError(f"no registry on {registry}: make local-up starts it") from None
    return True


def _accept(answer: Any) -> None:
    if answer.status_code != 201:
        reasons = "; ".join(error["message"] for error in answer.json()["errors"])
        raise UserError(f"the registry refuses the image: {reasons}")


def _part(media_type: str, data: bytes) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest_of(data), "size": len(data)}


def _json(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
