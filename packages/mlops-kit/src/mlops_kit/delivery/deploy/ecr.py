"""Amazon ECR: images in the contract's repository, and the findings of their scans."""

from __future__ import annotations

import json
from typing import Any, Optional

from mlops_kit.core.errors import one_line

from . import aws
from .contract import Contract

# The CPU architectures of ECS, as an image's config names them.
_PLATFORMS = {"X86_64": "amd64", "ARM64": "arm64"}
_INDEXES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
_IMAGES = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
_TAGGED_ALREADY = ("ImageAlreadyExistsException", "ImageTagAlreadyExistsException")


class Ecr:
    """The repository of one contract, which all environments share."""

    def __init__(self, client: Any, contract: Contract) -> None:
        """Take a client of ECR."""
        self._client, self._contract = client, contract
        account, _, name = contract.repository.partition("/")
        account = account.partition(".")[0]
        is_account = account.isdecimal() and len(account) == 12
        self._where = {
            "registryId": account if is_account else contract.account_id,
            "repositoryName": name,
        }

    def digest_of(self, tag: str) -> Optional[str]:
        """Return the digest of the image with a tag, or None if there is no such image."""
        try:
            answer = self._client.describe_images(**self._where, imageIds=[{"imageTag": tag}])
        except aws.errors() as error:
            if aws.code(error) == "ImageNotFoundException":
                return None
            raise
        return str(answer["imageDetails"][0]["imageDigest"])

    def image_of(self, digest: str) -> tuple[str, str]:
        """Return the digest of the image that tasks run and, where it is empty, the reason why there is none.

        It is `digest` itself or, where that is an index, its image for the tasks' architecture: engines push an index
        where they add attestations, and ECR scans the images in it.
        """
        try:
            answer = self._client.describe_images(**self._where, imageIds=[{"imageDigest": digest}])
        except aws.errors() as error:
            if aws.code(error) not in ("ImageNotFoundException", "RepositoryNotFoundException"):
                raise
            return "", f"{digest} is not in {self._contract.repository}: {one_line(error)}"
        if answer["imageDetails"][0].get("imageManifestMediaType") not in _INDEXES:
            return digest, ""
        wanted = platform(self._contract)
        found = [one for one in self._index(digest) if one.get("platform") == wanted]
        if not found:
            return "", f"{digest} has nothing for {wanted['os']}/{wanted['architecture']}"
        return str(found[0]["digest"]), ""

    def findings(self, digest: str) -> tuple[str, dict[str, int]]:
        """Return the status of an image's scan, and its number of findings by severity.

        The status is the error code where there is no scan or no image.
        Source: https://docs.aws.amazon.com/AmazonECR/latest/userguide/image-scanning.html
        """
        try:
            answer = self._client.describe_image_scan_findings(
                **self._where, imageId={"imageDigest": digest}
            )
        except aws.errors() as error:
            if aws.code(error) not in ("ScanNotFoundException", "ImageNotFoundException"):
                raise
            return aws.code(error), {}
        counts = answer.get("imageScanFindings", {}).get("findingSeverityCounts", {})
        return answer["imageScanStatus"]["status"], counts

    def tag_as_served(self, digest: str) -> str:
        """Tag an image as one that served in the contract's environment; return the tag, or the reason why it has none.

        The lifecycle policy of infra/shared/images.tf keeps images with such a tag. Each image has its own, because tags
        are immutable, so the target of a rollback is kept as well. A failure here must not fail the deployment.
        """
        tag = f"served-{self._contract.environment}-{digest.rpartition(':')[2][:12]}"
        try:
            # Accept both kinds, to get the manifest as it was pushed: ECR may convert it to an accepted type.
            found = self._manifests(digest, (*_INDEXES, *_IMAGES))
            if not found:
                return f"NOT TAGGED: {digest} is not in {self._contract.repository}"
            self._client.put_image(
                **self._where,
                imageManifest=found[0]["imageManifest"],
                imageManifestMediaType=found[0]["imageManifestMediaType"],
                imageDigest=digest,
                imageTag=tag,
            )
        except aws.errors() as error:
            if aws.code(error) not in _TAGGED_ALREADY:
                return f"NOT TAGGED, so it may expire: {aws.sentence(error)}"
        return tag

    def _index(self, digest: str) -> list[dict[str, Any]]:
        manifest = self._manifests(digest, _INDEXES)[0]["imageManifest"]
        found: list[dict[str, Any]] = json.loads(manifest)["manifests"]
        return found

    def _manifests(self, digest: str, types: tuple[str, ...]) -> list[dict[str, Any]]:
        answer = self._client.batch_get_image(
            **self._where, imageIds=[{"imageDigest": digest}], acceptedMediaTypes=list(types)
        )
        found: list[dict[str, Any]] = answer["images"]
        return found


def platform(contract: Contract) -> dict[str, str]:
    """Return the platform that an image has to be built for: `os` and `architecture`, as in its config."""
    return {"os": "linux", "architecture": _PLATFORMS[contract.architecture]}
