"""A login to a registry leaves the user's own configuration of Docker as it was."""

import json
import os
from pathlib import Path

import pytest

from mlops_kit.core.errors import UserError
from mlops_kit.delivery.image import docker

HOST = "registry.example.com"
CONFIG = {
    "auths": {HOST: {"auth": "dXNlcjpvd24="}},
    "credsStore": "desktop",
    "credHelpers": {HOST: "ecr-login"},
    "currentContext": "remote",
    "HttpHeaders": {"X-Team": "ours"},
}
# It keeps the login in a file, as Docker does, and writes down what it was asked.
DOCKER = """#!/bin/sh
echo "$@" >> {calls}
case $1 in
    login) cat >> "$DOCKER_CONFIG/config.json"; exit {code};;
    logout) echo '{{}}' > "${{DOCKER_CONFIG:-$HOME/.docker}}/config.json";;
esac
"""


@pytest.fixture
def users(tmp_path, monkeypatch):
    """The user's folder of Docker's configuration."""
    monkeypatch.delenv("DOCKER_CONFIG", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    folder = tmp_path / ".docker"
    (folder / "contexts").mkdir(parents=True)
    (folder / "contexts/meta.json").write_text("context")
    (folder / "config.json").write_text(json.dumps(CONFIG))
    return folder


@pytest.fixture
def client(tmp_path, monkeypatch):
    def make(code=0):
        binary, calls = tmp_path / "bin/docker", tmp_path / "calls"
        binary.parent.mkdir()
        binary.write_text(DOCKER.format(calls=calls, code=code))
        binary.chmod(0o755)
        monkeypatch.setenv("PATH", str(binary.parent), prepend=os.pathsep)
        return calls

    return make


def test_the_users_logins_stay_and_contexts_are_there(users, client):
    calls = client()
    with docker.logged_in(HOST, "ci", "secret"):
        folder = Path(os.environ["DOCKER_CONFIG"])
        text = (folder / "config.json").read_text()
        kept = {key: CONFIG[key] for key in ("currentContext", "HttpHeaders")}
        # An entry, or Docker would choose the keychain.
        assert json.loads(text.removesuffix("secret")) == {**kept, "auths": {HOST: {}}}
        assert text.endswith("secret")
        assert (folder / "contexts/meta.json").read_text() == "context"
        assert folder.stat().st_mode & 0o077 == 0
    assert not folder.exists()
    assert "DOCKER_CONFIG" not in os.environ
    assert json.loads((users / "config.json").read_text()) == CONFIG
    assert (users / "contexts/meta.json").exists()
    assert calls.read_text() == f"login --username ci --password-stdin {HOST}\n"


def test_a_refused_login_leaves_nothing_either(users, client, monkeypatch):
    monkeypatch.setenv("DOCKER_CONFIG", str(users))
    client(code=1)
    with pytest.raises(UserError, match="docker login failed"), docker.logged_in(HOST, "ci", "no"):
        pytest.fail("it is not logged in")
    assert os.environ["DOCKER_CONFIG"] == str(users)
    assert json.loads((users / "config.json").read_text()) == CONFIG


def test_without_a_configuration_there_is_only_ours(tmp_path, client, monkeypatch):
    client()
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "none"))
    with docker.logged_in(HOST, "ci", "secret"):
        assert [path.name for path in Path(os.environ["DOCKER_CONFIG"]).iterdir()] == [
            "config.json"
        ]


def test_a_damaged_configuration_is_named(users, client):
    client()
    (users / "config.json").write_text("{")
    with (
        pytest.raises(UserError, match=r"config\.json is damaged"),
        docker.logged_in(HOST, "u", "p"),
    ):
        pytest.fail("it is not logged in")
