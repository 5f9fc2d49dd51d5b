"""Build the image of the service around the exported model, and push it."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any, NamedTuple, Optional

from mlops_kit.artifact import folder
from mlops_kit.core import project
from mlops_kit.core.errors import UserError
from mlops_kit.core.files import write_json

from . import docker, kit_source, sbom

RECORD = Path("artifacts/image.json")
TRAIN_RECORD = Path("artifacts/image-train.json")
DOCKERFILE = Path("docker/Dockerfile")

_NAMED_FILES = 5  # how many changed files the error about a dirty tree names


class Options(NamedTuple):
    """The options of a build."""

    base: str = ""
    allow_dirty: bool = False
    ca_bundle: Optional[Path] = None
    pip_conf: Optional[Path] = None
    cache: Optional[Path] = (
        None  # a folder for layers, where the engine does not keep its own: on hosted CI
    )


def build(options: Options) -> dict[str, Any]:
    """Build the image, write the SBOM and artifacts/image.json, and return the latter.

    Raises:
        UserError: There is no Docker or no exported model, the tree is dirty, or the build failed.
    """
    model = folder.read_manifest(folder.FOLDER)
    commit, dirty = checkout(options.allow_dirty)
    docker.require_engine()
    tag = f"{project.current().name}:{commit[:12]}{'-dirty' if dirty else ''}-{models(model)}"
    base = options.base or default_base()
    build_target("serve", tag, options, build_arguments(model, commit, dirty))
    details = docker.inspect(tag)
    record = {
        **describe(tag, commit, dirty, model),
        "id": details["Id"],
        "base": base,
        "bytes": details["Size"],
    }
    write_json(RECORD, record)
    sbom.write(tag, details["Id"])
    return record


def models(model: dict[str, Any]) -> str:
    """Return the part of a tag that names the models: v7, or v7-c8 with version 8 as the challenger."""
    challenger = model["challenger"]
    return f"v{model['version']}" + (f"-c{challenger['version']}" if challenger else "")


def describe(tag: str, commit: str, dirty: bool, model: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of artifacts/image.json, without those that only the build has: id, base and bytes."""
    return {
        "tag": tag,
        "digest": None,  # the registry returns it: make image-push, make push
        "reference": None,
        "commit": commit,
        "dirty": dirty,
        "registered_model": model["registered_model"],
        "model_version": model["version"],
        "challenger": (model["challenger"] or {}).get("version"),
        "model_commit": model["git_commit"],
        "data_digest": model["data_digest"],
        "format": model["format"],
    }


def build_train(options: Options) -> dict[str, Any]:
    """Build the image that trains, write artifacts/image-train.json and return it.

    Raises:
        UserError: There is no Docker, the tree is dirty, or the build failed.
    """
    commit, dirty = checkout(options.allow_dirty)
    docker.require_engine()
    revision = commit + ("-dirty" if dirty else "")
    tag = f"{project.current().name}-train:{commit[:12]}{'-dirty' if dirty else ''}"
    build_target("train", tag, options, {"REVISION": revision})
    details = docker.inspect(tag)
    record = {"tag": tag, "id": details["Id"], "commit": commit, "bytes": details["Size"]}
    write_json(TRAIN_RECORD, record)
    return record


def build_target(
    target: str, tag: str, options: Options, arguments: Optional[dict[str, str]] = None
) -> None:
    """Build one stage of the Dockerfile; certificates and pip settings are passed as build secrets only.

    Raises:
        UserError: A file of the options does not exist, or the build failed.
    """
    base, kit = options.base or default_base(), kit_source.in_checkout()
    arguments = {"BASE": base, "KIT": kit.as_posix(), **(arguments or {})}
    command = ["build", "--file", str(DOCKERFILE), "--target", target, "--tag", tag]
    if options.cache is not None:
        kept = f"type=local,src={options.cache}", f"type=local,dest={options.cache},mode=max"
        command = ["buildx", *command, "--load", "--cache-from", kept[0], "--cache-to", kept[1]]
    for name, value in arguments.items():
        command += ["--build-arg", f"{name}={value}"]
    for secret, path in (("ca_bundle", options.ca_bundle), ("pip_conf", options.pip_conf)):
        if path is not None:
            if not path.is_file():
                raise UserError(f"{secret.upper()} is {str(path)!r}, which is no file")
            command += ["--secret", f"id={secret},src={path}"]
    docker.show(*command, ".")


def build_arguments(model: dict[str, Any], commit: str, dirty: bool) -> dict[str, str]:
    """Return the Dockerfile's build arguments, most of which become labels of the image."""
    challenger = model["challenger"] or {}
    return {
        "FORMAT": "skops" if "skops" in (model["format"], challenger.get("format")) else "onnx",
        "REVISION": commit + ("-dirty" if dirty else ""),
        "MODEL_NAME": model["registered_model"],
        "MODEL_VERSION": model["version"],
        "MODEL_COMMIT": model["git_commit"],
        "MODEL_RUN": model["run_id"],
        "DATA_DIGEST": model["data_digest"],
    }


def default_base() -> str:
    """Return the slim image of this Python, with which the model was trained: the same lock entries are installed in it."""
    return "python:{}.{}-slim".format(*sys.version_info)


def push_to(registry: str, login: Optional[tuple[str, str]] = None) -> dict[str, Any]:
    """Push the built image to `registry`, with user and password if given, and write its digest into artifacts/image.json.

    Raises:
        UserError: REGISTRY is missing, nothing was built, or the registry refuses.
    """
    if not registry:
        raise UserError("REGISTRY is empty; accepted: host/path, like registry.example.com/team")
    record = built()
    docker.require_engine()
    # Registries allow no capitals, and names of organisations may have some.
    repository = f"{registry.lower().rstrip('/')}/{project.current().name}"
    if login is None:
        return push(repository, record)
    with docker.logged_in(repository.partition("/")[0], *login):
        return push(repository, record)


def push(repository: str, record: dict[str, Any]) -> dict[str, Any]:
    """Push the image of `record` to `repository`, write the digest into the record and return it.

    Raises:
        UserError: The registry refuses, or Docker does not show the digest.
    """
    remote = f"{repository}:{record['tag'].rpartition(':')[2]}"
    docker.ask("tag", record["id"], remote)
    docker.show("push", remote)
    for known in docker.inspect(remote)["RepoDigests"]:
        name, _, digest = known.partition("@")
        if _familiar(name) == _familiar(repository):
            return note_digest(record, f"{repository}@{digest}")
    raise UserError(
        f"{remote} was pushed, but Docker shows no digest of {repository}: push it again"
    )


def _familiar(repository: str) -> str:
    """Return Docker's own name of a repository: without the host of Docker Hub."""
    host, _, name = repository.partition("/")
    return name if host in {"docker.io", "index.docker.io"} else repository


def note_digest(record: dict[str, Any], reference: str) -> dict[str, Any]:
    """Write the image's reference in a registry into artifacts/image.json; return the record."""
    noted = {**record, "reference": reference, "digest": reference.rpartition("@")[2]}
    write_json(RECORD, noted)
    return noted


def built() -> dict[str, Any]:
    """Return artifacts/image.json, the record of the last built image.

    Raises:
        UserError: Nothing was built.
    """
    try:
        record: dict[str, Any] = json.loads(RECORD.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{RECORD} not found: make image writes it") from None
    return record


def checkout(allow_dirty: bool) -> tuple[str, bool]:
    """Return the commit ("none" where there is none) and whether the tree differs from it.

    Raises:
        UserError: The tree differs from its commit or there is none, and `allow_dirty` is false.
    """
    # Where git is missing, GitPython would raise at import.
    os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
    import git

    try:
        repository = git.Repo(search_parent_directories=True)
        commit = repository.head.commit.hexsha
        changes = repository.git.status("--porcelain").splitlines()
    except (git.exc.GitError, git.exc.ODBError, ValueError, OSError):
        commit, changes = "none", ["   no commit here"]
    if changes and not allow_dirty:
        names = [line[3:] for line in changes]
        more = f" and {len(names) - _NAMED_FILES} more" if len(names) > _NAMED_FILES else ""
        raise UserError(
            f"the image would differ from its commit: {', '.join(names[:_NAMED_FILES])}{more}"
            " (commit first, or give ALLOW_DIRTY=1)"
        )
    return commit, bool(changes)
