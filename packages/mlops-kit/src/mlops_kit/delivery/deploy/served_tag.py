"""The tag that keeps an image which served in an environment: the lifecycle of infra/shared/images.tf looks for it."""

from __future__ import annotations

from . import aws
from .contract import Contract
from .preflight import registry, repository_name


def put(clients: aws.Aws, contract: Contract, digest: str) -> str:
    """Tag the image `digest` as one that served in the contract's environment; return what to say of it.

    Each image has a tag of its own, because tags are immutable: so what a rollback goes back to is kept as well. That it
    cannot be put is no failure of a deployment: it is said.
    """
    tag = f"served-{contract.environment}-{digest.rpartition(':')[2][:12]}"
    ecr = clients.client("ecr")
    where = {"registryId": registry(contract), "repositoryName": repository_name(contract)}
    try:
        found = ecr.batch_get_image(
            **where,
            imageIds=[{"imageDigest": digest}],
            # As it was pushed: ECR would turn another kind of manifest into one that it is not.
            acceptedMediaTypes=[
                "application/vnd.oci.image.index.v1+json",
                "application/vnd.oci.image.manifest.v1+json",
                "application/vnd.docker.distribution.manifest.list.v2+json",
                "application/vnd.docker.distribution.manifest.v2+json",
            ],
        )["images"]
        if not found:
            return f"NOT TAGGED: {digest} is not in {contract.repository}"
        ecr.put_image(
            **where,
            imageManifest=found[0]["imageManifest"],
            imageManifestMediaType=found[0]["imageManifestMediaType"],
            imageDigest=digest,
            imageTag=tag,
        )
    except aws.errors() as error:
        if aws.code(error) not in ("ImageAlreadyExistsException", "ImageTagAlreadyExistsException"):
            return f"NOT TAGGED, so it may expire: {aws.sentence(error)}"
    return tag
