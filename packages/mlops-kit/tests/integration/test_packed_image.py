"""`local-release`: the service and a model as an image of plain files, pushed to a registry that notes what it gets."""

from __future__ import annotations

import io
import json
import shutil
import tarfile

import git
import pytest

from mlops_kit.artifact import folder
from mlops_kit.core.errors import UserError
from mlops_kit.core.project import current
from mlops_kit.delivery.image import build, oci, packed_image

from .conftest import ROOT

PACKAGE = current().package
CODE = (
    f"src/{PACKAGE}/__main__.py",
    "packages/mlops-kit/src/mlops_kit/main.py",
    "packages/mlops-kit/src/mlops_kit/core/errors.py",
    "packages/mlops-kit/src/mlops_kit/artifact/folder.py",
    "packages/mlops-kit/src/mlops_kit/serving/server.py",
)
LEFT_OUT = (
    f"src/{PACKAGE}/left_over.pyc",
    "packages/mlops-kit/src/mlops_kit/serving/left_over.pyc",
    "packages/mlops-kit/src/mlops_kit/data/sources.py",
    "packages/mlops-kit/tests/test_serving.py",
)


@pytest.fixture
def packable(tmp_path, monkeypatch):
    """A folder that can be packed, as the current one: a service of empty files, and any bytes as a model."""
    for name in (*CODE, *LEFT_OUT):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs/serve.yaml").write_text("limits: {}\n")
    model = tmp_path / folder.FOLDER
    model.mkdir(parents=True)
    card = {
        "registered_model": "local",
        "version": "3",
        "challenger": None,
        "git_commit": "0123abc",
        "run_id": "run",
        "data_digest": "sha256:data",
        "format": "onnx",
    }
    (model / folder.MANIFEST).write_text(json.dumps(card))
    (model / folder.FILES["onnx"]).write_bytes(b"weights")
    sums = folder.sums(model, [folder.MANIFEST, folder.FILES["onnx"]])
    (model / folder.SUMS).write_text(sums)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def registry(endpoint):
    """The port of a registry that takes everything, and knows the images by their tags."""
    known = {}

    def answer(request):
        name = request.path.rpartition("/")[2]
        if request.method == "HEAD":
            return 200, {"Docker-Content-Digest": known.get(name, "")}, ""
        if request.method == "PUT":
            known[name] = oci.digest_of(request.body)
        return 201, {}, ""

    endpoint.answer = answer
    return endpoint.server.server_port


def written():
    return json.loads(build.RECORD.read_text())


def test_what_the_dockerfile_copies_is_pushed(packable, registry, endpoint):
    done = packed_image.pack(registry)
    assert done.how == "packed and pushed"
    assert written() == done.record
    assert set(done.record) == {
        *("tag", "id", "digest", "reference", "commit", "dirty", "base", "bytes", "format"),
        *("registered_model", "model_version", "challenger", "model_commit", "data_digest"),
    }
    assert done.record["reference"] == (
        f"127.0.0.1:{registry}/{current().name}@{done.record['digest']}"
    )
    layer, config, manifest = (one.body for one in endpoint.requests if one.body)
    with tarfile.open(fileobj=io.BytesIO(layer)) as archive:
        assert set(archive.getnames()) == {
            "configs/serve.yaml",
            *CODE,
            *(f"artifacts/model/{name}" for name in ("model.json", "model.onnx", "SHA256SUMS")),
        }
    assert oci.digest_of(manifest) == done.record["digest"]
    described = json.loads(config)["config"]
    assert described["Entrypoint"] == ["python3", "-m", PACKAGE, "serve"]
    assert described["Labels"]["model.version"] == "3"
    assert described["Labels"]["ecs-local.packed"] == "true"

    assert packed_image.pack(registry).how == "the registry has it already"
    # A changed file is another image, also where both have the same commit.
    (packable / "configs/serve.yaml").write_text("{}\n")
    changed = packed_image.pack(registry).record
    assert changed["tag"] != done.record["tag"]
    assert changed["digest"] != done.record["digest"]


def test_without_the_folder_the_kit_is_packed_from_its_wheel(packable, registry, endpoint):
    shutil.rmtree("packages")
    packed_image.pack(registry)
    with tarfile.open(fileobj=io.BytesIO(endpoint.requests[1].body)) as archive:
        names = set(archive.getnames())
    assert set(CODE) <= names
    assert not set(LEFT_OUT) & names
    assert "packages/mlops-kit/src/mlops_kit/serving/static/page.html" in names


def test_image_that_push_has_left_is_not_packed_again(packable, registry):
    repository = git.Repo.init(packable)
    repository.git.add("--all")
    who = ("-c", "user.name=n", "-c", "user.email=n@example.com")
    git.Git(packable).execute(["git", *who, "commit", "--quiet", "--no-gpg-sign", "--message", "m"])
    (packable / ".git/info/exclude").write_text("artifacts/\n*.pyc\n")
    record = packed_image.pack(registry).record
    built = {**record, "base": "python:3.13-slim", "digest": "sha256:ab"}
    for changes, is_kept in (
        ({}, True),
        ({"commit": "0" * 40}, False),
        ({"model_version": "2"}, False),
        ({"reference": None}, False),
        ({"reference": "elsewhere:1/x@sha256:ab"}, False),
    ):
        build.RECORD.write_text(json.dumps({**built, **changes}))
        packed_image.pack(registry)
        assert (written()["base"] != "none") == is_kept, changes


def test_refusals_are_sentences(packable, registry, endpoint):
    endpoint.answer = lambda request: (409, {}, {"errors": [{"message": "tags are immutable"}]})
    with pytest.raises(UserError, match="the registry refuses the image: tags are immutable"):
        packed_image.pack(registry)
    endpoint.server.shutdown()
    endpoint.server.server_close()
    with pytest.raises(UserError, match=f"no registry on 127.0.0.1:{registry}: make local-up"):
        packed_image.pack(registry)
    (packable / folder.FOLDER / folder.SUMS).unlink()
    with pytest.raises(UserError, match="artifacts/model/SHA256SUMS not found"):
        packed_image.pack(registry)
    assert not build.RECORD.exists()


@pytest.mark.parametrize("name", ["local-release", "local-account"])
@pytest.mark.parametrize("url", ["", "https://ecs.eu-central-1.amazonaws.com", "http://127.0.0.1"])
def test_nothing_is_made_in_a_real_account(command, name, url):
    done = command(name, AWS_ENDPOINT_URL=url)
    assert done.code == 2
    assert f"AWS_ENDPOINT_URL is {url!r}; accepted: http://127.0.0.1:PORT" in done.err


def test_label_is_the_emulators():
    """Named on both sides, because neither imports the other."""
    text = (ROOT / "packages/ecs-local/src/ecs_local/images.py").read_text()
    assert f'PACKED = "{packed_image.PACKED}"' in text


def test_the_same_files_make_the_same_image(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).write_text(name)
    files = {name: tmp_path / name for name in ("b", "a")}
    first = oci.image(oci.layer(files), {})
    (tmp_path / "a").touch()
    assert oci.image(oci.layer(dict(reversed(files.items()))), {}) == first
    (tmp_path / "a").write_text("changed")
    assert oci.image(oci.layer(files), {}).digest != first.digest
