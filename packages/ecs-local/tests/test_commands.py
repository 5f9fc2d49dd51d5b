"""The commands: up, down, run, and the emulator that they use."""

import os
import socket
import sys

import pytest
import requests

from ecs_local import background, command, processes, running, settings
from ecs_local.errors import UserError
from ecs_local.testing import three_free_ports, wait

from . import account
from .emulator import Emulator


@pytest.fixture
def fresh(tmp_path):
    """An emulator that is not started, in a folder that does not exist yet."""
    made = Emulator(tmp_path / "state" / "local")
    yield made
    made.command("down")


def test_up_and_down_are_safe_to_repeat_and_leave_nothing_running(fresh):
    proxy = "http://127.0.0.1:9"  # nobody listens there, and loopback is never sent to it
    first = fresh.command("up", HTTP_PROXY=proxy, http_proxy=proxy)
    assert (first.returncode, first.stderr) == (0, "")
    assert f"started on {fresh.url}, log " in first.stdout
    limits = requests.get(f"{fresh.url}/_local/health").json()["limits"]
    assert limits.startswith("it does not imitate IAM")
    assert f"not AWS: {limits}" in first.stdout
    contract = account.create(fresh)

    again = fresh.command("up", "--alarms-at-start=ignored")
    assert (again.returncode, again.stderr) == (0, "")
    assert "it runs already" in again.stdout
    assert requests.get(f"{fresh.url}/_local/worlds").json() == {
        "alarms-at-start": "ignored",
        "hooks-on-first": "run",
    }
    assert fresh.contract == contract

    created = fresh.create("s", fresh.register(fresh.push_stub(), VERSION="1"))
    assert fresh.ended(created["currentServiceDeployment"])["status"] == "SUCCESSFUL"
    task = processes.identity(requests.get(fresh.production).json()["pid"])
    down = fresh.command("down")
    assert (down.returncode, down.stderr) == (0, "")
    assert str(fresh.folder) in down.stdout
    assert not processes.is_running(task)
    with pytest.raises(requests.ConnectionError):
        requests.get(fresh.url)
    assert "it does not run" in fresh.command("down").stdout

    assert fresh.command("up").returncode == 0
    assert fresh.contract == contract

    def serves():
        try:
            return fresh.version(fresh.production) == "1"
        except requests.ConnectionError:  # its listener is not there yet
            return False

    wait(serves, "the service, after a restart")


def test_state_that_is_damaged_is_named_and_nothing_starts(fresh):
    state = fresh.folder / "state.json"
    state.parent.mkdir(parents=True)
    state.write_text("{")
    done = fresh.command("up")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"error: the emulator did not start: {state} is damaged or of another version:"
        " remove its folder to start anew\n"
    )
    assert state.read_text() == "{"


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"LOCAL_PORT": "http"}, "LOCAL_PORT is 'http'; accepted: a whole number, 1 to 65533"),
        ({"LOCAL_PORT": "65534"}, "LOCAL_PORT is '65534'; accepted: "),
        ({"LOCAL_MINUTE": "0"}, "LOCAL_MINUTE is '0'; accepted: seconds, more than 0"),
        ({"LOCAL_MINUTE": "soon"}, "LOCAL_MINUTE is 'soon'; accepted: seconds, more than 0"),
    ],
)
def test_a_variable_with_a_wrong_value_is_named(fresh, variables, expected):
    done = fresh.command("up", **variables)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: {expected}")
    assert done.stderr.count("\n") == 1


def refused(done):
    """Return the one sentence of a command that was refused."""
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    return done.stderr


def test_health_names_folder_and_process(emulator):
    health = requests.get(f"{emulator.url}/_local/health").json()
    assert health["folder"] == str(emulator.folder.resolve())
    assert processes.identity(health["pid"])["started"]


@pytest.mark.parametrize("offset", [0, 1])
def test_up_refuses_port_of_stranger(fresh, offset):
    with socket.create_server(("127.0.0.1", fresh.port + offset)):
        message = refused(fresh.command("up"))
    assert str(fresh.port + offset) in message
    assert "take another port: LOCAL_PORT=" in message
    assert not fresh.folder.exists()


def test_up_refuses_other_checkouts_emulator(fresh, emulator):
    message = refused(fresh.command("up", LOCAL_PORT=str(emulator.port)))
    assert f"the emulator of {emulator.folder} " in message
    assert "take another port: LOCAL_PORT=" in message
    assert not fresh.folder.exists()


def test_copied_folder_leaves_emulator_of_the_original_alone(fresh, emulator):
    # As `cp -r` of a checkout brings them along.
    fresh.folder.mkdir(parents=True)
    for name in ("port", "serve.pid.json"):
        (fresh.folder / name).write_text((emulator.folder / name).read_text())
    before = sorted(fresh.folder.iterdir())
    copied = {"LOCAL_PORT": ""}
    message = refused(fresh.command("up", **copied))
    assert f"LOCAL_DIR={emulator.folder} python -m ecs_local down" in message
    assert f"rm -r {fresh.folder}; LOCAL_PORT=" in message
    assert "does not run: start it with: python -m ecs_local up" in refused(
        fresh.command("run", "env", **copied)
    )
    assert "it does not run" in fresh.command("down", **copied).stdout
    assert sorted(fresh.folder.iterdir()) == before
    assert requests.get(f"{emulator.url}/_local/health").ok


def test_run_leads_to_own_emulator(emulator):
    names = ("AWS_ENDPOINT_URL", "AWS_REGION", "AWS_DEFAULT_REGION", "LOCAL_MINUTE", "no_proxy")
    shown = f"import os; print(*(os.environ[name] for name in {names}))"
    given = {"AWS_ENDPOINT_URL": "http://elsewhere", "AWS_REGION": "eu-north-1", "LOCAL_MINUTE": ""}
    proxies = {"no_proxy": "", "NO_PROXY": "internal"}
    words = ("run", sys.executable, "-c", shown)
    done = emulator.command(*words, LOCAL_PORT="", **given, **proxies)
    assert (done.returncode, done.stderr) == (0, "")
    region = emulator.region
    assert done.stdout == f"{emulator.url} {region} {region} 0.4 internal,127.0.0.1,localhost\n"
    done = emulator.command("run", sys.executable, "-c", "raise SystemExit(5)")
    assert done.returncode == 5


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["up", "--alarms-at-start=loud"], "alarms-at-start is 'loud'; accepted: watched, ignored"),
        (["serve", "--alarms"], "the option is '--alarms'; accepted: --alarms-at-start=watched|"),
        (["down", "--hooks-on-first=run"], "accepted: up, down, serve, run COMMAND"),
    ],
)
def test_unknown_options_are_refused(fresh, words, expected):
    assert expected in refused(fresh.command(*words))
    assert not fresh.folder.exists()


def test_environment_keeps_proxies_and_drops_other_addresses():
    before = {"HTTP_PROXY": "http://p:1", "AWS_ENDPOINT_URL_S3": "http://x", "AWS_PROFILE": "me"}
    found = running.Found("/folder", 1, "eu-north-1")
    after = command.environment({**before, "NO_PROXY": "*"}, "http://127.0.0.1:4510", found)
    assert (after["HTTP_PROXY"], after["NO_PROXY"]) == ("http://p:1", "*")
    assert {"AWS_ENDPOINT_URL_S3", "AWS_PROFILE"} & set(after) == set()


def test_port_follows_folder(tmp_path, monkeypatch):
    first = three_free_ports()
    monkeypatch.setattr(settings, "_FIRST_PORT", first)
    monkeypatch.setenv("LOCAL_DIR", str(tmp_path))
    monkeypatch.delenv("LOCAL_PORT", raising=False)
    assert settings.read().port == first
    with socket.create_server((settings.HOST, first + 2)):
        given = settings.read()
    assert given.port > first
    assert (given.port - first) % 10 == 0
    settings.keep_port(given)
    assert settings.read() == given


def test_what_failed_to_start_is_stopped(tmp_path, monkeypatch):
    started = []
    start = processes.start
    monkeypatch.setenv("PYTHONPATH", Emulator(tmp_path).variables["PYTHONPATH"])
    monkeypatch.setattr(
        processes, "start", lambda *given: started.append(start(*given)) or started[0]
    )
    monkeypatch.setattr(running, "is_own", lambda given: False)
    monkeypatch.setattr(background, "_START", 0.2)
    with pytest.raises(UserError, match="the emulator did not start: nothing within"):
        background.up(settings.Settings(three_free_ports(), tmp_path, 1.0), {})
    assert started[0].poll() is not None


def test_other_port_than_kept_is_refused(fresh):
    fresh.folder.mkdir(parents=True)
    (fresh.folder / "port").write_text(f"{fresh.port + 10}\n")
    assert refused(fresh.command("up")) == (
        f"error: what {fresh.folder} keeps was made with LOCAL_PORT={fresh.port + 10}, not {fresh.port}:"
        " leave LOCAL_PORT out, or set LOCAL_DIR to another folder\n"
    )


def test_unknown_command_is_refused(fresh):
    done = fresh.command("sideways")
    assert done.returncode == 2
    assert done.stderr == (
        "error: the command is 'sideways'; accepted: up, down, serve, run COMMAND …\n"
    )


def test_a_boto3_without_the_calls_is_refused_in_a_sentence(fresh, tmp_path):
    # As Python 3.9 has it: a botocore whose model of ECS lacks the operations.
    hidden = tmp_path / "old"
    (hidden / "botocore").mkdir(parents=True)
    (hidden / "botocore/__init__.py").touch()
    (hidden / "botocore/session.py").write_text(
        "class Model:\n    operation_names = ['CreateService']\n"
        "class Session:\n    def get_service_model(self, name):\n        return Model()\n"
        "def get_session():\n    return Session()\n"
    )
    path = os.pathsep.join([str(hidden), fresh.variables["PYTHONPATH"]])
    done = fresh.command("up", PYTHONPATH=path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.endswith(": take Python 3.10 or newer\n")
    assert done.stderr.count("\n") == 1
