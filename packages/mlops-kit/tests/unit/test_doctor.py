"""What make/doctor.py shows of a machine, and what it hides."""

import sys

import pytest

from mlops_kit.make import doctor


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("AWS_DEFAULT_REGION", "eu-west-1", "AWS_DEFAULT_REGION=eu-west-1"),
        ("SET", "model.kind=linear seed=1", "SET=model.kind=linear seed=1"),
        ("https_proxy", "http://u:hunter2@proxy:3128/x", "https_proxy=http://proxy:3128"),
        ("MLFLOW_TRACKING_URI", "https://u:hunter2@m.example/?k=hunter2", "=https://m.example"),
        ("PIP_EXTRA_INDEX_URL", "https://hunter2@a/s b", "=https://a b"),
        ("UV_INDEX", "corp=https://hunter2@a/s", "=(hidden)"),
        ("DATABASE_URL", "postgresql://u:hunter2@db:5432/churn", "=postgresql://db:5432"),
        ("HTTP_PROXY", "u:hunter2@proxy:3128", "=(hidden)"),
        ("HTTP_PROXY", "http://proxy:hunter2", "=(hidden)"),
        ("SMTP_URL", "smtps://u:hunter2@mail:465", "=smtps://mail:465"),
        ("AWS_SECRET_ACCESS_KEY", "hunter2", " is set (hidden)"),
        ("AWS_SESSION_TOKEN", "hunter2", " is set (hidden)"),
        ("AWS_ACCESS_KEY_ID", "hunter2", " is set (hidden)"),
        ("UV_INDEX_CORP_PASSWORD", "hunter2", " is set (hidden)"),
        ("SLACK_WEBHOOK_URL", "https://hooks.example/hunter2", " is set (hidden)"),
        ("MAIL_TO", "hunter2@example.com", " is set (hidden)"),
    ],
)
def test_settings_are_shown_without_secrets(name, value, found):
    (line,) = doctor.settings({name: value, "HOME": "/nobody", "UNRELATED": "hunter2"})
    assert line.startswith(name)
    assert line.endswith(found)
    assert "hunter2" not in line


def test_a_project_without_an_environment_has_one_problem(checkout):
    assert list(doctor.problems("churn", "3.11")) == ["there is no .venv: make install"]


def test_each_problem_names_what_mends_it(checkout):
    """An environment whose Python is another one, older than the lock, in no repository, with a wrong config."""
    python = checkout / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text(
        f"""#!/bin/sh
case "$*" in *config-check) echo "configs/train.yaml: unknown key 'x'"; exit 2 ;; esac
exec {sys.executable} "$@"
"""
    )
    python.chmod(0o755)
    (checkout / "requirements.txt").touch()
    found = list(doctor.problems("churn", "2.7"))
    assert [line.split(":")[0] for line in found[:2]] == [
        f".venv has Python {sys.version_info[0]}.{sys.version_info[1]}; accepted",
        ".venv is older than requirements.txt",
    ]
    assert found[-1] == "configs/train.yaml: unknown key 'x'"


def test_a_missing_lock_is_a_problem(checkout):
    python = checkout / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    (checkout / ".venv/.installed").touch()
    (checkout / "requirements.txt").unlink(missing_ok=True)
    found = list(doctor.problems("churn", "3.11"))
    assert "there is no requirements.txt: git checkout requirements.txt" in found


def test_an_unknown_home_folder_ends_no_report(checkout, monkeypatch, capsys):
    def unknown():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(doctor.Path, "home", unknown)
    doctor.main("churn", "full", "3.11")
    assert "problems" in capsys.readouterr().out


def test_a_broken_interpreter_is_the_problem(checkout):
    python = checkout / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    python.symlink_to(checkout / "gone")
    assert list(doctor.problems("churn", "3.11")) == [".venv/bin/python does not run: make install"]


def test_missing_tool_is_reported(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    assert doctor.tools() == "no make, no git, no docker, no docker engine, no terraform"
