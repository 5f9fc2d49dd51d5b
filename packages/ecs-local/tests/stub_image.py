"""An image of the stub service: plain files with the label of a packed image, pushed as Docker does it."""

import gzip
import io
import json
import tarfile
from pathlib import Path

import requests

from ecs_local.images import PACKED, digest_of

STUB = Path(__file__).with_name("stub_service.py")
MANIFEST = "application/vnd.oci.image.manifest.v1+json"


def push(repository: str, tag: str) -> str:
    """Push it to the address of a repository and return its digest."""
    layer = _layer(STUB)
    described = {
        "Entrypoint": ["python3", STUB.name],
        "WorkingDir": "/",
        "Labels": {PACKED: "true"},
    }
    config = json.dumps({"config": described}).encode()
    for blob in (layer, config):
        where = f"{repository}/blobs/uploads/?digest={digest_of(blob)}"
        requests.post(where, data=blob).raise_for_status()
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": _part("application/vnd.oci.image.config.v1+json", config),
        "layers": [_part("application/vnd.oci.image.layer.v1.tar+gzip", layer)],
    }
    data = json.dumps(manifest).encode()
    headers = {"Content-Type": MANIFEST}
    requests.put(f"{repository}/manifests/{tag}", data=data, headers=headers).raise_for_status()
    return digest_of(data)


def _layer(path: Path) -> bytes:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        entry = tarfile.TarInfo(path.name)
        entry.size = path.stat().st_size
        tar.addfile(entry, io.BytesIO(path.read_bytes()))
    return gzip.compress(archive.getvalue(), mtime=0)


def _part(media_type: str, data: bytes) -> dict:
    return {"mediaType": media_type, "digest": digest_of(data), "size": len(data)}
