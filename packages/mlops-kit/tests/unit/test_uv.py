"""What of its caller's settings reaches uv, by make/uv.py."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mlops_kit.make import uv

INDEX = "https://packages.example/simple"


@pytest.fixture
def given(tmp_path, monkeypatch):
    """The variables of a caller whose home is empty; pip.conf of the machine is out of sight."""
    monkeypatch.setattr(uv, "_MACHINE", tmp_path / "none")
    return {"HOME": str(tmp_path), "XDG_CONFIG_DIRS": str(tmp_path / "none"), "PATH": "/bin"}


def pip_conf(given, text):
    file = Path(given["HOME"], ".config/pip/pip.conf")
    file.parent.mkdir(parents=True)
    file.write_text(text)


@pytest.mark.parametrize("name", ["UV_PYTHON", "UV_SYSTEM_PYTHON", "UV_TARGET", "UV_NEW_ONE"])
def test_what_names_another_environment_is_left_out(given, name):
    assert name not in uv.environment({**given, name: "x"})


@pytest.mark.parametrize("name", ["UV_CACHE_DIR", "UV_DEFAULT_INDEX", "UV_HTTP_TIMEOUT", "PATH"])
def test_settings_of_the_package_index_are_kept(given, name):
    assert uv.environment({**given, name: "x"})[name] == "x"


def test_a_day_in_the_users_config_does_not_hide_the_lock(given):
    assert (
        uv.environment({**given, "UV_EXCLUDE_NEWER": "2020-01-01"})["UV_EXCLUDE_NEWER"] == "false"
    )


def test_pips_index_is_uvs_default(given):
    pip_conf(
        given, f"[global]\nindex-url = {INDEX}\nproxy = http://p:1\n[install]\ncert = /ca.pem\n"
    )
    found = uv.environment(given)
    assert found["UV_DEFAULT_INDEX"] == INDEX
    assert found["HTTPS_PROXY"] == "http://p:1"
    assert found["SSL_CERT_FILE"] == "/ca.pem"
    own = {"UV_DEFAULT_INDEX": "https://own", "https_proxy": "http://own", "SSL_CERT_FILE": "/own"}
    kept = uv.environment({**given, **own})
    assert {name: kept[name] for name in own} == own
    assert "HTTPS_PROXY" not in kept


def test_a_variable_of_pip_beats_its_file_and_more_indexes_are_all_searched(given):
    pip_conf(
        given, "[global]\nindex-url = https://old\nextra-index-url =\n  https://a\n  https://b\n"
    )
    found = uv.environment({**given, "PIP_INDEX_URL": INDEX})
    assert found["UV_DEFAULT_INDEX"] == INDEX
    assert found["UV_INDEX"] == "https://a https://b"
    assert found["UV_INDEX_STRATEGY"] == "unsafe-best-match"


def test_an_unreadable_pip_conf_is_left_to_pip(given):
    pip_conf(given, "index-url without a section\n")
    assert uv.pip_settings(given) == {}


def test_the_machines_certificates_are_trusted(given, monkeypatch, tmp_path):
    monkeypatch.setattr(uv, "_CERTIFICATES", (str(tmp_path),))
    assert uv.environment(given)["UV_SYSTEM_CERTS"] == "true"
    if sys.platform != "darwin":
        monkeypatch.setattr(uv, "_CERTIFICATES", ())  # a bare machine: uv brings its own
        assert "UV_SYSTEM_CERTS" not in uv.environment(given)


def test_a_home_that_cannot_be_written_keeps_no_cache(given, tmp_path):
    assert "UV_NO_CACHE" not in uv.environment(given)
    (tmp_path / "file").touch()
    assert uv.environment({**given, "HOME": str(tmp_path / "file")})["UV_NO_CACHE"] == "true"
    own = {"HOME": str(tmp_path / "file"), "UV_CACHE_DIR": "x"}
    assert "UV_NO_CACHE" not in uv.environment({**given, **own})


def test_it_passes_on_the_exit_code_and_what_matters_of_the_output(tmp_path, given):
    fake = tmp_path / ".venv/bin/uv"
    fake.parent.mkdir(parents=True)
    fake.write_text(
        '#!/bin/sh\nprintf "Resolved 2\\n + a==1\\n$UV_PYTHON\\n" >&2\necho "$@"\nexit 3\n'
    )
    fake.chmod(0o755)
    done = subprocess.run(
        [sys.executable, "-IS", uv.__file__, "pip", "sync"],
        cwd=tmp_path,
        env={**os.environ, "UV_PYTHON": "elsewhere"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (3, "pip sync\n", "Resolved 2\n\n")


def test_without_uv_one_sentence_has_the_command(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(uv, "UV", tmp_path / "uv")
    assert uv.main(["pip", "sync"]) == 2
    assert capsys.readouterr().err == f"error: {tmp_path}/uv is not there: make clean install\n"
