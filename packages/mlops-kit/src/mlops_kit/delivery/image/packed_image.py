"""Pack the service and artifacts/model/ into an image that only the emulator of ENV=local runs, and push it there."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple, Optional

from mlops_kit.artifact import folder as model_folder
from mlops_kit.core import project
from mlops_kit.core.files import write_json

from .. import local_aws
from . import build, kit_source, oci

# The label that marks for ecs-local an image of plain files, without a root filesystem, which it runs as a process.
PACKED = "ecs-local.packed"

# The model's own code, and the packages of the kit that the service needs, as docker/Dockerfile copies them.
_MODEL = Path("src")
_ROOMS = ("core", "artifact", "serving")
_CONFIG = Path("configs/serve.yaml")


class Packed(NamedTuple):
    """The record of artifacts/image.json, and a description of how the image was made."""

    record: dict[str, Any]
    how: str


def pack(port: int) -> Packed:
    """Pack, push to the emulator on `port`, and write artifacts/image.json as `make image` and `make push` would.

    Raises:
        UserError: There is no exported model, or the registry refuses.
    """
    model = model_folder.read_manifest(model_folder.FOLDER)
    commit, dirty = build.checkout(allow_dirty=True)
    registry = f"{local_aws.HOST}:{port}"
    pushed = _pushed(registry, model, commit, dirty)
    if pushed is not None:
        return Packed(pushed, "which make push left, is this commit and model")
    packed = oci.layer(_files())
    made = oci.image(packed, _config(build.build_arguments(model, commit, dirty)))
    # Tags are immutable, and what is packed may change without its commit: with the tree, or with the model store.
    state = f"{'-dirty' if dirty else ''}-{packed[1].partition(':')[2][:8]}"
    tag = f"{commit[:12]}{state}-{build.models(model)}"
    new = oci.push(made, registry, project.current().name, tag)
    record = {
        **build.describe(f"{project.current().name}:{tag}", commit, dirty, model),
        "id": oci.digest_of(made.config),
        "digest": made.digest,
        "reference": f"{registry}/{project.current().name}@{made.digest}",
        "base": "none",
        "bytes": len(made.layer),
    }
    write_json(build.RECORD, record)
    return Packed(record, "packed and pushed" if new else "the registry has it already")


def _pushed(
    registry: str, model: dict[str, Any], commit: str, dirty: bool
) -> Optional[dict[str, Any]]:
    """Return artifacts/image.json if it is a Docker image of exactly this commit and model, pushed to this registry."""
    if dirty or not build.RECORD.is_file():
        return None
    record = build.built()
    wanted = build.describe(record["tag"], commit, dirty, model)
    known = {key: record[key] for key in wanted if wanted[key] is not None}
    is_it = known == {key: wanted[key] for key in known} and record["base"] != "none"
    return record if is_it and (record["reference"] or "").startswith(f"{registry}/") else None


def _files() -> dict[str, Path]:
    """Return the files that docker/Dockerfile copies, by their path in the image."""
    kit = kit_source.folder()
    code = list(kit.glob("*.py"))
    for room in _ROOMS:
        code += _under(kit / room)
    placed = {path: path for path in (_CONFIG, *_under(model_folder.FOLDER), *_under(_MODEL))}
    placed.update({kit_source.FOLDER / path.relative_to(kit): path for path in code})
    return {name.as_posix(): path for name, path in placed.items() if path.suffix != ".pyc"}


def _under(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and ".egg-info" not in str(path)]


def _config(arguments: dict[str, str]) -> dict[str, Any]:
    """Return the image's Config, with the labels and the entrypoint of docker/Dockerfile."""
    return {
        "Entrypoint": ["python3", "-m", project.current().package, "serve"],
        # Without a root filesystem, paths are relative to where the emulator unpacks the layer.
        "Env": [
            "MODEL_DIR=artifacts/model",
            "ORT_DISABLE_TELEMETRY=1",
            f"PYTHONPATH={_MODEL}:{kit_source.FOLDER.parent}",
            "PYTHONUNBUFFERED=1",
        ],
        "WorkingDir": "/",
        "ExposedPorts": {f"{local_aws.CONTAINER_PORT}/tcp": {}},
        "Labels": {
            "org.opencontainers.image.title": project.current().name,
            "org.opencontainers.image.revision": arguments["REVISION"],
            "org.opencontainers.image.version": arguments["MODEL_VERSION"],
            "model.name": arguments["MODEL_NAME"],
            "model.version": arguments["MODEL_VERSION"],
            "model.commit": arguments["MODEL_COMMIT"],
            "model.run-id": arguments["MODEL_RUN"],
            "model.data-digest": arguments["DATA_DIGEST"],
            PACKED: "true",
        },
    }
