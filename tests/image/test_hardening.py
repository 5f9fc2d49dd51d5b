"""What the container may do, and what is in it that should not be."""

import io
import json
import subprocess
import tarfile

import pytest

from mlops_kit.delivery.image import docker

from .containers import run_docker

# Where anybody may write in Debian's own layout; a read-only root closes these as well.
OPEN_TO_ALL = {"/tmp", "/var/tmp", "/run/lock", "/dev/shm", "/dev/mqueue"}


def inside(image: str, *command: str) -> subprocess.CompletedProcess:
    """Run a command in the image itself: with a writable root, as its own user."""
    entrypoint, *rest = command
    return run_docker("run", "--rm", "--network", "none", "--entrypoint", entrypoint, image, *rest)


def test_the_service_is_not_root_and_has_no_privileges(container):
    lines = container.run("cat", "/proc/1/status").stdout.splitlines()
    status = {name: value.split() for name, _, value in (line.partition(":") for line in lines)}
    assert set(status["Uid"]) == set(status["Gid"]) == {"10001"}
    assert {status[name][0].strip("0") for name in ("CapInh", "CapPrm", "CapEff", "CapBnd")} == {""}
    assert status["NoNewPrivs"] == ["1"]


def test_the_root_cannot_be_written(container):
    for path in ("/x", "/app/x", "/app/artifacts/model/model.json", "/venv/x", "/var/tmp/x"):
        done = container.run("sh", "-c", f": >> {path}")
        assert done.returncode != 0, path
        assert "Read-only file system" in done.stderr or "Permission denied" in done.stderr
    assert container.run("sh", "-c", ": > /tmp/x").returncode == 0


def test_user_can_write_predictions_only(tested_image):
    pruned = "( -path /proc -o -path /sys -o -path /dev ) -prune -o"
    wanted = "( -user 10001 -o -group 10001 -o -writable ) -not -type l -print"
    found = inside(tested_image, "find", "/", *pruned.split(), *wanted.split()).stdout.split("\n")
    assert set(found) - {""} <= OPEN_TO_ALL | {"/app/predictions"}


def test_image_has_user_entrypoint_and_healthcheck(tested_image):
    config = docker.inspect(tested_image)["Config"]
    assert config["User"] == "10001:10001"
    assert config["Entrypoint"][:2] == [
        "python3",
        "-m",
    ]  # no shell that would keep SIGTERM to itself
    assert config["Healthcheck"]["Test"][0] == "CMD"


@pytest.mark.parametrize("tool", ["pip", "uv", "gcc", "cc", "make", "git", "curl"])
def test_nothing_is_there_to_build_or_fetch_with(tested_image, tool):
    assert inside(tested_image, "sh", "-c", f"command -v {tool}").stdout == ""
    if tool in ("pip", "uv"):
        for python in ("/venv/bin/python3", "$(readlink -f /venv/bin/python3)"):
            done = inside(tested_image, "sh", "-c", f"{python} -m {tool} --version")
            assert "No module named" in done.stderr


@pytest.mark.parametrize("library", ["mlflow", "pandas", "pytest", "sklearn", "skops"])
def test_only_what_serving_needs_is_installed(tested_image, card, library):
    done = inside(tested_image, "python3", "-c", f"import {library}")
    needed = card["format"] == "skops" and library in ("sklearn", "skops")
    assert (done.returncode == 0) == needed


def test_no_setting_of_the_machine_is_in_the_image_or_its_history(tested_image):
    details = docker.inspect(tested_image)
    variables = json.dumps(details["Config"]["Env"]).upper()
    for word in ("PIP_", "PROXY", "CERT", "CA_BUNDLE", "INDEX"):
        assert word not in variables
    history = docker.ask("history", "--no-trunc", tested_image)
    for word in ("index-url", "find-links", "trusted-host", "pip.conf"):
        assert word not in history
    places = (
        "/etc/pip.conf /root/.config /root/.cache /root/.pip /root/.netrc /run/secrets /install"
    )
    found = run_docker(
        *("run", "--rm", "--user", "0", "--entrypoint", "sh", tested_image),
        *("-c", f"ls -d {places} 2>/dev/null; find /venv -name direct_url.json"),
    )
    assert found.stdout == ""


def test_layers_hold_environment_and_application_only(tested_image, base_image, tmp_path):
    saved = tmp_path / "image.tar"
    docker.ask("save", "--output", str(saved), tested_image)
    with tarfile.open(saved) as archive:
        layers = json.load(archive.extractfile("manifest.json"))[0]["Layers"]
        own = layers[len(base_image["RootFS"]["Layers"]) :]
        assert 2 <= len(own) < len(layers)
        names = {name for layer in own for name in _names(archive.extractfile(layer).read())}
    strange = {
        name
        for name in names
        # What is left else: marks of pip's removed files, and bytecode of the interpreter that removed them.
        if name.split("/")[0] not in ("app", "venv")
        and "/.wh." not in name
        and "/__pycache__" not in name
    }
    assert strange == set()


def _names(layer: bytes) -> list[str]:
    """The files of a layer; folders are in it as soon as their time changed."""
    with tarfile.open(fileobj=io.BytesIO(layer)) as archive:
        return [member.name.strip("/") for member in archive if not member.isdir()]


def test_of_the_checkout_only_what_serves_is_there(tested_image):
    listed = inside(tested_image, "sh", "-c", "ls /app /app/configs /app/packages/mlops-kit/src")
    assert listed.stdout.split("\n\n") == [
        "/app:\nartifacts\nconfigs\npackages\npredictions\nsrc",
        "/app/configs:\nserve.yaml",
        "/app/packages/mlops-kit/src:\nmlops_kit\n",
    ]
    rooms = "cd /app/packages/mlops-kit/src/mlops_kit && ls -d */"
    found = set(inside(tested_image, "sh", "-c", rooms).stdout.split())
    assert found - {"__pycache__/"} == {"artifact/", "core/", "serving/"}


def test_it_is_small(tested_image, base_image, card, figures):
    over = (docker.inspect(tested_image)["Size"] - base_image["Size"]) / 1e6
    most = 250 if card["format"] == "onnx" else 500  # scikit-learn and SciPy are what ONNX saves
    figures["image size over its base"] = f"{over:.0f} MB (aim: at most {most})"
    assert over < most
