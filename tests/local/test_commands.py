"""The commands behind make local-up, local-down and local-release, with the real service."""

import json
import os
import socket

import pytest
import requests

from infra.local import processes

from .emulator import Emulator, wait


@pytest.fixture
def fresh(tmp_path):
    """An emulator that nobody has started, in a folder that is not there yet."""
    made = Emulator(tmp_path / "state" / "local")
    yield made
    made.command("down")


def test_up_and_down_are_safe_to_repeat_and_leave_nothing_running(fresh):
    first = fresh.command("up")
    assert (first.returncode, first.stderr) == (0, "")
    lines = first.stdout.splitlines()
    assert lines[-1] == "next: make deploy ENV=local"
    assert [line for line in lines if fresh.production in line]
    assert [line for line in lines if fresh.test in line]
    assert "not AWS: it does not imitate IAM" in lines[-2]
    contract = fresh.contract
    assert (contract["production_url"], contract["test_url"]) == (fresh.production, fresh.test)
    assert contract["repository"] == f"127.0.0.1:{fresh.port}/ml-template"

    again = fresh.command("up")
    assert (again.returncode, again.stderr) == (0, "")
    assert "it runs already" in again.stdout
    assert fresh.contract == contract

    created = fresh.create("s", fresh.register(fresh.push_stub(), VERSION="1"))
    assert fresh.ended(created["currentServiceDeployment"])["status"] == "SUCCESSFUL"
    task = processes.identity(requests.get(fresh.production).json()["pid"])
    down = fresh.command("down")
    assert (down.returncode, down.stderr) == (0, "")
    assert str(fresh.folder) in down.stdout
    assert not processes.is_there(task)
    with pytest.raises(requests.ConnectionError):
        requests.get(fresh.url)
    assert "it does not run" in fresh.command("down").stdout

    assert fresh.command("up").returncode == 0
    assert fresh.contract == contract
    wait(lambda: fresh.version(fresh.production) == "1", "the service, after a restart")


def test_the_packed_model_is_deployed_and_predicts(emulator, no_service, model_checkout):
    first = emulator.command("pack", model_checkout)
    assert (first.returncode, first.stderr) == (0, "")
    record = json.loads((model_checkout / "artifacts/image.json").read_text())
    assert set(record) == {
        *("tag", "id", "digest", "reference", "commit", "dirty", "base", "bytes", "format"),
        *("registered_model", "model_version", "model_commit", "data_digest"),
    }
    assert record["reference"] in first.stdout
    assert record["reference"].endswith(f"ml-template@{record['digest']}")
    again = emulator.command("pack", model_checkout)
    assert "the registry has it already" in again.stdout
    assert json.loads((model_checkout / "artifacts/image.json").read_text()) == record

    quick = {"SERVE_SET": "limits.drain_seconds=0.2"}
    created = emulator.create("real", emulator.register(record["reference"], **quick))
    assert emulator.ended(created["currentServiceDeployment"])["status"] == "SUCCESSFUL"
    card = requests.get(f"{emulator.production}/version").json()
    assert card["model_version"] == record["model_version"]
    example = json.loads((model_checkout / "artifacts/model/example.json").read_text())
    answer = requests.post(f"{emulator.production}/predict", json=example)
    assert (answer.status_code, len(answer.json()["predictions"])) == (200, 1)
    # A changed file is another image, also where no commit tells them apart.
    (model_checkout / "configs/serve.yaml").write_text("{}\n")
    assert emulator.command("pack", model_checkout).returncode == 0
    changed = json.loads((model_checkout / "artifacts/image.json").read_text())
    assert changed["tag"] != record["tag"]
    assert changed["digest"] != record["digest"]
    emulator.delete("real")


def test_without_a_model_or_a_registry_pack_ends_in_a_sentence(fresh, tmp_path, model_checkout):
    done = fresh.command("pack", tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("error: artifacts/model/SHA256SUMS not found")
    done = fresh.command("pack", model_checkout)
    assert done.returncode == 2
    assert done.stderr == f"error: no registry on 127.0.0.1:{fresh.port}: make local-up starts it\n"


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"LOCAL_PORT": "http"}, "LOCAL_PORT is 'http'; accepted: a whole number, 1 to 65533"),
        ({"LOCAL_PORT": "65534"}, "LOCAL_PORT is '65534'; accepted: "),
        ({"LOCAL_MINUTE": "0"}, "LOCAL_MINUTE is '0'; accepted: seconds, more than 0"),
        ({"LOCAL_MINUTE": "soon"}, "LOCAL_MINUTE is 'soon'; accepted: seconds, more than 0"),
    ],
)
def test_a_variable_with_a_wrong_value_is_named(fresh, variables, said):
    done = fresh.command("up", **variables)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: {said}")
    assert done.stderr.count("\n") == 1


def test_a_port_that_is_taken_is_named(fresh):
    with socket.create_server(("127.0.0.1", fresh.port)):
        done = fresh.command("up")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"error: the emulator did not start: LOCAL_PORT {fresh.port} cannot be had: Address already in use\n"
    )


def test_a_command_that_is_none_is_refused(fresh):
    done = fresh.command("sideways")
    assert done.returncode == 2
    assert done.stderr == ("error: the command is 'sideways'; accepted: up, down, serve, pack\n")


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
