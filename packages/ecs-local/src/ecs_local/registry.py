"""The image registry: the part of the Docker Registry HTTP API V2 for `docker push` and `docker pull`.

Source: https://distribution.github.io/distribution/spec/api/
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from werkzeug.wrappers import Request, Response
from werkzeug.wsgi import wrap_file

from .images import Images, digest_of, is_digest

_NAME = r"(?P<name>[a-z0-9]+(?:[._/-][a-z0-9]+)*)"
_ROUTES = [
    (re.compile(rf"/v2/{_NAME}/blobs/uploads/"), "uploads"),
    (re.compile(rf"/v2/{_NAME}/blobs/uploads/(?P<reference>[0-9a-f]{{32}})"), "upload"),
    (re.compile(rf"/v2/{_NAME}/blobs/(?P<reference>sha256:[0-9a-f]{{64}})"), "blob"),
    (re.compile(rf"/v2/{_NAME}/manifests/(?P<reference>[\w][\w.:-]{{0,127}})"), "manifest"),
]
_CHUNK = 1 << 20  # bytes


class RefusedError(Exception):
    """An error of the API: HTTP status, code and message."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code = status, code


class Registry:
    """Handles requests under /v2/. `ecr` returns a client of ECR, which must have the repository and gets each image."""

    def __init__(self, images: Images, uploads: Path, ecr: Callable[[], Any]) -> None:
        self._images, self._uploads, self._ecr = images, uploads, ecr

    def answer(self, request: Request) -> Response:
        """Return the response to a request."""
        try:
            response = self._dispatch(request)
        except RefusedError as error:
            problem = {"code": error.code, "message": str(error), "detail": None}
            body = json.dumps({"errors": [problem]})
            response = Response(body, error.status, content_type="application/json")
        response.headers["Docker-Distribution-API-Version"] = "registry/2.0"
        return response

    def _dispatch(self, request: Request) -> Response:
        if request.path == "/v2/":
            return Response("{}", content_type="application/json")
        for pattern, kind in _ROUTES:
            found = pattern.fullmatch(request.path)
            if found:
                handler = getattr(self, f"_{request.method.lower()}_{kind}", None)
                if handler is None:
                    raise RefusedError(
                        405, "UNSUPPORTED", f"{request.method} is not supported here"
                    )
                response: Response = handler(request, **found.groupdict())
                return response
        raise RefusedError(404, "NAME_UNKNOWN", f"{request.path} is no path of this registry")

    def _post_uploads(self, request: Request, name: str) -> Response:
        mounted, digest = request.args.get("mount", ""), request.args.get("digest")
        # What cannot be mounted, also because its digest is invalid, begins an upload:
        # https://github.com/opencontainers/distribution-spec/blob/main/spec.md#mounting-a-blob-from-another-repository
        if is_digest(mounted) and self._images.blob(mounted).is_file():
            return _created(name, "blobs", mounted)
        if digest:
            return self._store(name, digest, _parts(request.stream))
        number = uuid.uuid4().hex
        self._uploads.mkdir(parents=True, exist_ok=True)
        self._upload(number).touch()
        return self._accepted(name, number)

    def _patch_upload(self, request: Request, name: str, reference: str) -> Response:
        self._append(request, reference)
        return self._accepted(name, reference)

    def _put_upload(self, request: Request, name: str, reference: str) -> Response:
        path = self._append(request, reference)
        with path.open("rb") as file:
            response = self._store(name, request.args.get("digest", ""), _parts(file))
        path.unlink()
        return response

    def _get_upload(self, request: Request, name: str, reference: str) -> Response:
        return self._accepted(name, reference, 204)

    def _head_blob(self, request: Request, name: str, reference: str) -> Response:
        return self._get_blob(request, name, reference)

    def _get_blob(self, request: Request, name: str, reference: str) -> Response:
        return self._file(request, reference, "application/octet-stream", "BLOB_UNKNOWN")

    def _head_manifest(self, request: Request, name: str, reference: str) -> Response:
        return self._get_manifest(request, name, reference)

    def _get_manifest(self, request: Request, name: str, reference: str) -> Response:
        found = self._images.manifest(name, reference)
        if found is None:
            raise RefusedError(404, "MANIFEST_UNKNOWN", f"{name} has no {reference}")
        return self._file(request, *found, "MANIFEST_UNKNOWN")

    def _put_manifest(self, request: Request, name: str, reference: str) -> Response:
        data, media_type = request.get_data(), request.content_type or ""
        self._require_repository(name)
        try:
            manifest = json.loads(data.decode())
            parts = [*manifest.get("layers", []), *manifest.get("manifests", [])]
            parts += [manifest["config"]] if "config" in manifest else []
            missing = [
                part["digest"] for part in parts if not self._images.blob(part["digest"]).is_file()
            ]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise RefusedError(400, "MANIFEST_INVALID", f"that is no manifest: {error}") from None
        if missing:
            raise RefusedError(400, "MANIFEST_BLOB_UNKNOWN", f"first push {', '.join(missing)}")
        digest = digest_of(data)
        tag = "" if reference.startswith("sha256:") else reference
        if not tag and digest != reference:
            raise RefusedError(400, "DIGEST_INVALID", f"the digest is {digest}, not {reference}")
        # Docker pushes existing images again, and ECR accepts that even where tags are immutable.
        if self._images.manifest(name, reference) != (digest, media_type):
            self._put_in_ecr(name, tag, digest, data, media_type)
            self._images.add_manifest(name, tag, data, media_type)
        return _created(name, "manifests", digest)

    def _put_in_ecr(self, name: str, tag: str, digest: str, data: bytes, media_type: str) -> None:
        ecr = self._ecr()
        image = {"imageTag": tag} if tag else {}
        try:
            ecr.put_image(
                repositoryName=name,
                imageManifest=data.decode(),
                imageManifestMediaType=media_type,
                imageDigest=digest,
                **image,
            )
        except ecr.exceptions.ImageAlreadyExistsException as error:
            # Moto raises this for a known image, and for an immutable tag of another image.
            if digest not in str(error):
                raise RefusedError(
                    409, "TAG_INVALID", f"{name}:{tag} is another image, and tags are immutable"
                ) from None

    def _require_repository(self, name: str) -> None:
        ecr = self._ecr()
        try:
            ecr.describe_repositories(repositoryNames=[name])
        except ecr.exceptions.RepositoryNotFoundException:
            raise RefusedError(404, "NAME_UNKNOWN", f"ECR has no repository {name}") from None

    def _store(self, name: str, digest: str, parts: Iterable[bytes]) -> Response:
        try:
            self._images.add_blob(parts, digest)
        except ValueError as error:
            raise RefusedError(400, "DIGEST_INVALID", str(error)) from None
        return _created(name, "blobs", digest)

    def _append(self, request: Request, number: str) -> Path:
        path = self._upload(number)
        if not path.is_file():
            raise RefusedError(404, "BLOB_UPLOAD_UNKNOWN", "that upload has ended or never began")
        with path.open("ab") as file:
            for part in _parts(request.stream):
                file.write(part)
        return path

    def _upload(self, number: str) -> Path:
        return self._uploads / number

    def _accepted(self, name: str, number: str, status: int = 202) -> Response:
        path = self._upload(number)
        if not path.is_file():
            raise RefusedError(404, "BLOB_UPLOAD_UNKNOWN", "that upload has ended or never began")
        headers = {
            "Location": f"/v2/{name}/blobs/uploads/{number}",
            "Range": f"0-{max(path.stat().st_size - 1, 0)}",
            "Docker-Upload-UUID": number,
        }
        return Response(status=status, headers=headers)

    def _file(self, request: Request, digest: str, media_type: str, unknown: str) -> Response:
        path = self._images.blob(digest)
        if not path.is_file():
            raise RefusedError(404, unknown, f"{digest} is not here")
        headers = {"Content-Length": str(path.stat().st_size), "Docker-Content-Digest": digest}
        body = None if request.method == "HEAD" else wrap_file(request.environ, path.open("rb"))
        return Response(
            body, headers=headers, content_type=media_type, direct_passthrough=body is not None
        )


def _created(name: str, kind: str, digest: str) -> Response:
    headers = {"Location": f"/v2/{name}/{kind}/{digest}", "Docker-Content-Digest": digest}
    return Response(status=201, headers=headers)


def _parts(stream: Any) -> Iterator[bytes]:
    while part := stream.read(_CHUNK):
        yield part
