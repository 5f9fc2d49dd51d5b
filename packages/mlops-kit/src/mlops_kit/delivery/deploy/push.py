"""Push the built image to the environment's repository, once, and make a release of it."""

from __future__ import annotations

import base64
from typing import Any, Optional

from mlops_kit.core.console import step
from mlops_kit.core.errors import UserError

from ..image import build, docker
from . import ecr, release
from .environment import Environment
from .release import Release


def push(environment: Environment) -> tuple[Release, bool]:
    """Push the image of artifacts/image.json unless the repository has it; return its release, and whether that is new.

    A digest is pushed once for all environments, because they share the repository.

    Raises:
        UserError: Nothing was built, Docker is missing, the image is of another platform, or the repository refuses.
    """
    record = build.built()
    repository = environment.contract.repository
    digest = _pushed_digest(environment, record)
    if digest is None:
        with step("push") as running:
            record = _push_image(environment, record)
            running.detail = f"{record['reference']}"
        digest = record["digest"]
    elif record["reference"] != f"{repository}@{digest}":
        build.note_digest(record, f"{repository}@{digest}")
    made = release.of_image(record, digest)
    is_new = environment.records.add_release(made)
    kept = environment.records.release(digest)
    if (kept.data_digest, kept.model_commit) != (made.data_digest, made.model_commit):
        raise UserError(
            f"{kept.tag} in {repository} holds a model of other data or another commit, pushed {kept.pushed_at}"
            f" by {kept.pushed_by}: commit and make image again, for a tag of its own"
        )
    return kept, is_new


def find(environment: Environment, tag: str) -> Release:
    """Return the release with the image tag `tag`, or without one the last that was pushed from here.

    Raises:
        UserError: There is no such image, or it is no release.
    """
    if not tag:
        digest = build.built()["digest"]
        if digest is None:
            raise UserError(
                f"{build.RECORD} has no digest: make push ENV={environment.name} first, or give IMAGE_TAG=…"
            )
    else:
        digest = environment.ecr.digest_of(tag)
        if digest is None:
            where = environment.contract.repository
            raise UserError(f"IMAGE_TAG is {tag!r}, which is no tag in {where}")
    return environment.records.release(digest)


def _pushed_digest(environment: Environment, record: dict[str, Any]) -> Optional[str]:
    """Return the digest of this image in the repository, or None if it was not pushed.

    An image of a committed tree is identified by its tag: commit and model version.
    """
    digest = environment.ecr.digest_of(record["tag"].rpartition(":")[2])
    is_it = record["digest"] == digest or (record["digest"] is None and not record["dirty"])
    return digest if is_it else None


def _require_platform(environment: Environment, image: dict[str, Any]) -> None:
    """Require that tasks can run the image; otherwise they would stop with an "exec format error".

    Raises:
        UserError: It is built for another platform.
    """
    wanted = ecr.platform(environment.contract)
    if (image["Os"], image["Architecture"]) != (wanted["os"], wanted["architecture"]):
        named = "{os}/{architecture}".format(**wanted)
        raise UserError(
            f"the image is made for {image['Os']}/{image['Architecture']}, and the tasks of {environment.name} run on"
            f" {named}: DOCKER_DEFAULT_PLATFORM={named} make image"
        )


def _push_image(environment: Environment, record: dict[str, Any]) -> dict[str, Any]:
    docker.require_engine()
    _require_platform(environment, docker.inspect(record["id"]))
    answer = environment.aws.client("ecr").get_authorization_token()
    user, _, password = (
        base64.b64decode(answer["authorizationData"][0]["authorizationToken"])
        .decode()
        .partition(":")
    )
    host, _, name = environment.contract.repository.partition("/")
    with docker.logged_in(host, user, password):
        return build.push(f"{host}/{name}", record)
