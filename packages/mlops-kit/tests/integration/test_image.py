"""The subcommands of the image, in a real repository; the engine is a program that notes what it is asked.

What needs a real engine is tested in tests/image and ../image.
"""

import json
import os
import shutil
import sys
from pathlib import Path

import git
import pytest

from mlops_kit.artifact import folder as model_folder
from mlops_kit.core.project import current
from mlops_kit.delivery.image import build, compose, inventory, kit_source

ROOT = Path(__file__).parents[4]
CARD = {
    "registered_model": "churn",
    "version": "3",
    "challenger": None,
    "run_id": "r1",
    "git_commit": "0" * 40,
    "data_digest": "d1",
    "format": "onnx",
}
DETAILS = {"Id": "sha256:ab", "Size": 500_000_000, "RepoDigests": ["host/team/x@sha256:cd"]}
INSTALLED = {
    "python": "3.11.7",
    "system": {},
    "debian": None,
    "packages": [{"name": "six", "version": "1.17.0", "license": "MIT"}],
}
ENGINE = """\
#!{python}
import json, pathlib, sys
here = pathlib.Path(__file__).parent
asked = sys.argv[1:]
with (here / "asked").open("a") as file:
    file.write(json.dumps(asked) + "\\n")
answers = json.loads((here / "answers").read_text())
answer = answers.get(" ".join(asked[:2]), answers.get(asked[0], {{}}))
sys.stdout.write(answer.get("out", ""))
sys.stderr.write(answer.get("err", ""))
sys.exit(answer.get("code", 0))
"""


class Engine:
    """A docker on PATH with given answers, and the calls to it."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.answers = {
            "image inspect": {"out": json.dumps([DETAILS])},
            "run": {"out": json.dumps(INSTALLED)},
        }

    def will(self, command: str, **answer: object) -> None:
        self.answers[command] = answer
        self.write()

    def write(self) -> None:
        (self.folder / "answers").write_text(json.dumps(self.answers))

    def asked(self, command: str) -> list[list[str]]:
        lines = (self.folder / "asked").read_text().splitlines()
        return [line for line in map(json.loads, lines) if " ".join(line).startswith(command)]


@pytest.fixture
def engine(tmp_path_factory, monkeypatch):
    folder = tmp_path_factory.mktemp("engine")
    program = folder / "docker"
    program.write_text(ENGINE.format(python=sys.executable))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    made = Engine(folder)
    made.write()
    return made


@pytest.fixture
def exported(fresh_project):
    """A committed checkout with an exported model."""
    folder = fresh_project / model_folder.FOLDER
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(b"onnx")
    (folder / "model.json").write_text(json.dumps(CARD))
    (folder / "SHA256SUMS").write_text(model_folder.sums(folder, ["model.onnx", "model.json"]))
    shutil.copytree(ROOT / "docker", fresh_project / "docker")
    (fresh_project / ".gitignore").write_text("/artifacts/\n/reports/\n")
    repository = git.Repo.init(fresh_project)
    repository.git.add("--all")
    with repository.config_writer() as settings:
        settings.set_value("user", "name", "n").set_value("user", "email", "n@example.com")
    repository.git.commit("--quiet", "--no-gpg-sign", "--message", "first")
    return repository


def test_tag_has_commit_and_version_labels_the_rest(engine, exported, command):
    done = command("image", BASE="")
    commit = exported.head.commit.hexsha
    assert done.code == 0, done.err
    record = json.loads(build.RECORD.read_text())
    assert record["tag"] == f"{current().name}:{commit[:12]}-v3"
    assert (record["commit"], record["dirty"], record["digest"]) == (commit, False, None)
    assert (record["id"], record["model_version"]) == ("sha256:ab", "3")
    (asked,) = engine.asked("build")
    python = "{}.{}".format(*sys.version_info)
    for argument in (
        f"BASE=python:{python}-slim",
        "FORMAT=onnx",
        f"REVISION={commit}",
        "MODEL_VERSION=3",
        f"MODEL_COMMIT={'0' * 40}",
        "DATA_DIGEST=d1",
        "MODEL_RUN=r1",
        "MODEL_NAME=churn",
    ):
        assert argument in asked
    assert "--secret" not in asked
    # This checkout has no packages/: the build sees a copy of the kit that runs, as of an installed wheel.
    assert "KIT=artifacts/kit" in asked
    assert Path("artifacts/kit/serving/server.py").is_file()
    assert f"the model was trained at commit {'0' * 12}" in done.out
    names = [
        part["name"]
        for part in json.loads(Path("artifacts/sbom.cdx.json").read_text())["components"]
    ]
    assert sorted(names) == ["python", "six"]


def test_settings_of_the_machine_go_into_the_build_as_secrets_only(engine, exported, command):
    Path("artifacts/ca.pem").write_text("ca")
    Path("artifacts/pip.conf").write_text("[global]")
    given = {"CA_BUNDLE": "artifacts/ca.pem", "PIP_CONF": "artifacts/pip.conf", "BASE": "mine:1"}
    assert command("image", **given).code == 0
    (asked,) = engine.asked("build")
    secrets = [asked[index + 1] for index, word in enumerate(asked) if word == "--secret"]
    assert secrets == ["id=ca_bundle,src=artifacts/ca.pem", "id=pip_conf,src=artifacts/pip.conf"]
    assert "BASE=mine:1" in asked
    done = command("image", CA_BUNDLE="nothing.pem")
    assert (done.code, done.err) == (2, "error: CA_BUNDLE is 'nothing.pem', which is no file\n")


def test_a_dirty_tree_is_refused_by_name_unless_that_is_meant(engine, exported, command):
    Path("configs/train.yaml").write_text("changed")
    for number in range(6):
        Path(f"new-{number}").touch()
    done = command("image")
    assert done.code == 2
    assert "configs/train.yaml, new-0, new-1, new-2, new-3 and 2 more" in done.err
    assert "ALLOW_DIRTY=1" in done.err
    assert done.err.count("\n") == 1
    assert command("image", ALLOW_DIRTY="1").code == 0
    record = json.loads(build.RECORD.read_text())
    commit = exported.head.commit.hexsha
    assert record["tag"] == f"{current().name}:{commit[:12]}-dirty-v3"
    assert f"REVISION={commit}-dirty" in engine.asked("build")[0]


def test_without_a_repository_it_has_no_commit(engine, exported, command):
    shutil.rmtree(".git")
    done = command("image")
    assert (done.code, "no commit here" in done.err) == (2, True)
    assert command("image", ALLOW_DIRTY="1").code == 0
    assert json.loads(build.RECORD.read_text())["tag"] == f"{current().name}:none-dirty-v3"


def test_missing_model_names_the_command(engine, exported, command):
    shutil.rmtree("artifacts")
    done = command("image")
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert "make export" in done.err


def test_a_changed_model_is_not_built_in(engine, exported, command):
    (model_folder.FOLDER / "model.onnx").write_bytes(b"other")
    done = command("image")
    assert done.code == 2
    assert "was changed after its export" in done.err


@pytest.mark.parametrize(
    "name", ["image", "image-train", "image-scan", "compose-up", "compose-down"]
)
def test_missing_docker_is_one_sentence(exported, command, monkeypatch, name):
    build.RECORD.write_text(json.dumps({"tag": "x"}))
    folder = Path("artifacts/bin")
    folder.mkdir()
    (folder / "git").symlink_to(shutil.which("git"))
    done = command(name, PATH=str(folder))
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert done.err.startswith("error: docker not found: install Docker")


def test_an_engine_that_does_not_run_is_a_sentence(engine, exported, command):
    engine.will("version", code=1, err="Client: 1\nCannot connect to the daemon\n")
    done = command("image")
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert "engine is not running: start Docker" in done.err
    assert "docker said: Cannot connect to the daemon" in done.err
    assert engine.asked("build") == []


def test_a_build_that_fails_leaves_no_record(engine, exported, command):
    engine.will("build", code=1)
    done = command("image")
    assert (done.code, done.err) == (2, "error: docker build ended with exit code 1: see above\n")
    assert not build.RECORD.exists()


def test_the_train_image_has_the_commit_as_its_tag(engine, exported, command):
    kit_source.FOLDER.mkdir(parents=True)
    assert command("image-train", BASE="cuda:1").code == 0
    record = json.loads(build.TRAIN_RECORD.read_text())
    assert record["tag"] == f"{current().name}-train:{exported.head.commit.hexsha[:12]}"
    (asked,) = engine.asked("build")
    assert asked[asked.index("--target") + 1] == "train"
    assert f"KIT={kit_source.FOLDER}" in asked
    assert "BASE=cuda:1" in asked


def test_a_push_notes_the_digest(engine, exported, command):
    command("image")
    digests = [f"other/{current().name}@sha256:ef", f"host/team/{current().name}@sha256:cd"]
    engine.will("image inspect", out=json.dumps([{**DETAILS, "RepoDigests": digests}]))
    done = command("image-push", REGISTRY="host/team/")
    assert (done.code, done.out) == (
        0,
        f"pushed: host/team/{current().name}@sha256:cd (noted in artifacts/image.json)\n",
    )
    record = json.loads(build.RECORD.read_text())
    assert record["digest"] == "sha256:cd"
    remote = f"host/team/{record['tag']}"
    assert engine.asked("tag") == [["tag", "sha256:ab", remote]]
    assert engine.asked("push") == [["push", remote]]


@pytest.mark.parametrize("host", ["docker.io", "index.docker.io"])
def test_push_to_docker_hub_finds_digest_by_short_name(engine, exported, command, host):
    command("image")
    digests = [f"host/team/{current().name}@sha256:ef", f"team/{current().name}@sha256:cd"]
    engine.will("image inspect", out=json.dumps([{**DETAILS, "RepoDigests": digests}]))
    done = command("image-push", REGISTRY=f"{host}/team")
    assert (done.code, done.err) == (0, "")
    record = json.loads(build.RECORD.read_text())
    assert record["reference"] == f"{host}/team/{current().name}@sha256:cd"
    assert record["digest"] == "sha256:cd"


def test_push_without_digest_is_one_sentence(engine, exported, command):
    command("image")
    engine.will("image inspect", out=json.dumps([{**DETAILS, "RepoDigests": []}]))
    done = command("image-push", REGISTRY="host/team")
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert f"but Docker shows no digest of host/team/{current().name}" in done.err
    assert json.loads(build.RECORD.read_text())["digest"] is None


def test_a_push_as_a_user_logs_in_first(engine, exported, command):
    command("image")
    digests = [f"host/team/{current().name}@sha256:cd"]
    engine.will("image inspect", out=json.dumps([{**DETAILS, "RepoDigests": digests}]))
    login = {"REGISTRY": "host/Team", "REGISTRY_USER": "robot", "REGISTRY_PASSWORD": "secret"}
    assert command("image-push", **login).code == 0
    assert engine.asked("log") == [["login", "--username", "robot", "--password-stdin", "host"]]


def test_layers_are_kept_in_a_folder_where_one_is_given(engine, exported, command):
    assert command("image", BUILD_CACHE=".cache/image").code == 0
    (asked,) = engine.asked("buildx build")
    assert asked[asked.index("--cache-from") + 1] == "type=local,src=.cache/image"
    assert asked[asked.index("--cache-to") + 1] == "type=local,dest=.cache/image,mode=max"
    assert "--load" in asked


def test_a_push_needs_a_registry_and_an_image(engine, exported, command):
    assert "REGISTRY is empty" in command("image-push").err
    done = command("image-push", REGISTRY="host")
    assert done.err == "error: artifacts/image.json not found: make image writes it\n"


def test_scan_lists_unscanned_packages(engine, exported, command, monkeypatch):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("PATH", f"{engine.folder}:/usr/bin:/bin")
    done = command("image-scan", IMAGE="mine:1")
    assert done.code == 0
    assert "Python packages were NOT SCANNED" in done.out
    assert "system packages were NOT SCANNED (neither trivy nor grype is installed)" in done.out
    report = json.loads(Path("reports/image-scan.json").read_text())
    assert report["image"] == "mine:1"
    # The image is asked itself, with the script on standard input.
    assert engine.asked("run")[0][-3:] == ["mine:1", "-I", "-"]


def test_a_scan_that_finds_a_mended_release_fails(engine, exported, command):
    scanner = engine.folder / "trivy"
    found = {
        "VulnerabilityID": "CVE-1",
        "PkgName": "libssl3",
        "InstalledVersion": "1",
        "FixedVersion": "2",
        "Severity": "HIGH",
    }
    answer = json.dumps({"Results": [{"Class": "os-pkgs", "Vulnerabilities": [found]}]})
    scanner.write_text(f"#!/bin/sh\necho '{answer}'\n")
    scanner.chmod(0o755)
    done = command("image-scan", IMAGE="mine:1")
    assert done.code == 1
    assert "vulnerable: libssl3 1, CVE-1 (fixed in: 2)" in done.out
    assert "vulnerable system packages" in done.out


def test_an_image_that_is_not_there_is_a_sentence(engine, exported, command):
    engine.will("image inspect", code=1, err="No such image\n")
    done = command("image-scan", IMAGE="mine:1")
    assert done.err == "error: image mine:1 is not on this machine: make image builds it\n"


def container(name: str, status: str) -> dict:
    return {"Name": f"/{name}", "State": {"Status": "running", "Health": {"Status": status}}}


def test_the_stack_starts_and_is_healthy(engine, exported, command):
    engine.will("ps", out="1\n2\n")
    both = [container("service", "healthy"), container("mlflow", "healthy")]
    engine.will("container inspect", out=json.dumps(both))
    done = command("compose-up", IMAGE="mine:1", MLFLOW_PORT="5001")
    assert done.code == 0, done.err
    assert "MLFLOW_TRACKING_URI=http://127.0.0.1:5001 make pipeline" in done.out
    (asked,) = engine.asked("compose --project-name")
    assert asked[-2:] == ["up", "--detach"]
    assert compose.PASSWORDS.is_file()
    assert command("compose-down").code == 0
    assert engine.asked("compose --project-name")[1][-1] == "down"


def test_a_part_that_stays_ill_is_named(engine, exported, command, monkeypatch):
    monkeypatch.setattr(compose, "_SECONDS", 0)
    engine.will("ps", out="1\n2\n")
    both = [container("service", "healthy"), container("mlflow", "starting")]
    engine.will("container inspect", out=json.dumps(both))
    done = command("compose-up", IMAGE="mine:1")
    assert done.code == 2
    assert "not healthy after 0 s: mlflow (starting)" in done.err


def test_missing_compose_is_one_sentence(engine, exported, command):
    engine.will("compose version", code=1)
    done = command(
        "compose-up", IMAGE="mine:1", PATH=f"{engine.folder}:{Path(sys.executable).parent}"
    )
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert done.err.startswith("error: docker compose not found: install Docker Desktop")


def test_the_inventory_lists_this_machine(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(inventory, "python_packages", lambda root: [])  # the whole disk is too much
    inventory.main()
    assert json.loads(capsys.readouterr().out)["python"].startswith("3.")
