"""Sidecars: started and ended with the essential container, which does not end with them."""

import json
import os
import signal
import time
from pathlib import Path

import pytest

from ecs_local import processes

from .emulator import Emulator, wait

PERIOD = 0.4  # seconds: a minute of the emulator that the tests share

# It records its environment, then waits for SIGTERM, after which it has work left to do.
BESIDE = """
import os, pathlib, signal, sys, time
pathlib.Path("shared").mkdir(exist_ok=True)
def end(*_):
    time.sleep(0.3)
    pathlib.Path(os.environ["NOTES"], f"ended-{os.getpid()}").touch()
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
text = f"{os.environ['AWS_ENDPOINT_URL']} {pathlib.Path.cwd()} {pathlib.Path('stub_service.py').exists()}"
pathlib.Path(os.environ["NOTES"], f"began-{os.getpid()}").write_text(text)
signal.pause()
signal.pause()
"""


@pytest.fixture
def notes(tmp_path):
    folder = tmp_path / "notes"
    folder.mkdir()
    return folder


@pytest.fixture
def service(emulator, no_service, notes):
    """A service whose tasks have a second container."""
    yield begin(emulator, notes)
    if emulator.service("two")["status"] == "ACTIVE":
        emulator.delete("two")


def begin(emulator, notes):
    """Make that service, and return its name once it serves."""
    made = emulator.register(emulator.push_stub(), family="two", VERSION="1")
    found = emulator.ecs.describe_task_definition(taskDefinition=made)["taskDefinition"]
    (app,) = found["containerDefinitions"]
    beside = {
        "name": "beside",
        "image": app["image"],
        "essential": False,
        "entryPoint": ["python3", "-c", BESIDE],
        "environment": [{"name": "NOTES", "value": str(notes)}],
        "restartPolicy": {"enabled": True, "restartAttemptPeriod": 60},
    }
    contract = emulator.contract
    made = emulator.ecs.register_task_definition(
        family="two",
        networkMode="awsvpc",
        requiresCompatibilities=["FARGATE"],
        cpu="256",
        memory="512",
        executionRoleArn=contract["execution_role"],
        taskRoleArn=contract["execution_role"],
        containerDefinitions=[app, beside],
    )
    started = emulator.create("two", made["taskDefinition"]["taskDefinitionArn"])
    emulator.ended(started["currentServiceDeployment"])
    return "two"


def began(notes, number=1):
    """Return the process and the text of the newest, once so many have begun."""
    found = wait(
        lambda: sorted(
            (path for path in notes.glob("began-*") if path.read_text()),
            key=lambda path: path.stat().st_mtime_ns,
        )[number - 1 :],
        f"{number} of them",
    )[0]
    return int(found.name.partition("-")[2]), found.read_text()


def test_it_shares_the_folder_and_finds_this_aws(emulator, service, notes):
    _, text = began(notes)
    url, folder, has_files = text.split()
    assert (url, has_files) == (emulator.url, "True")
    assert Path(folder, "shared").is_dir()
    (task,) = emulator.tasks(service)
    assert [one["name"] for one in task["containers"]] == ["app", "beside"]
    assert Path(folder).name == task["taskArn"].rpartition("/")[2]


def test_ended_sidecar_is_restarted_and_the_task_stays(emulator, service, notes):
    pid, _ = began(notes)
    (task,) = emulator.tasks(service)
    started = (notes / f"began-{pid}").stat().st_mtime
    wait(lambda: time.time() > started + PERIOD, "the least time that it has to run")
    os.kill(pid, signal.SIGKILL)
    again, _ = began(notes, 2)
    assert again != pid
    assert [one["taskArn"] for one in emulator.tasks(service)] == [task["taskArn"]]


def test_sidecar_has_time_to_end_and_its_folder_is_removed(emulator, service, notes):
    pid, text = began(notes)
    emulator.delete(service)
    wait(lambda: (notes / f"ended-{pid}").exists(), "its own end")
    wait(lambda: not Path(text.split()[1]).exists(), "the end of its folder")


def test_a_crash_of_the_essential_one_ends_the_task_after_it(emulator, service, notes):
    pid, _ = began(notes)
    (task,) = emulator.tasks(service)
    known = json.loads((emulator.folder / "state.json").read_text())["tasks"]
    (crashed,) = (one["process"]["pid"] for one in known if one["arn"] == task["taskArn"])
    os.kill(crashed, signal.SIGKILL)

    def stopped():
        ended = {one["taskArn"]: one for one in emulator.tasks(service, "STOPPED")}
        found = ended.get(task["taskArn"], {})
        return found if found.get("lastStatus") == "STOPPED" else None

    assert wait(stopped, "the end of the task")["stopCode"] == "EssentialContainerExited"
    assert (notes / f"ended-{pid}").exists()


def test_a_kill_of_the_emulator_leaves_none_behind(tmp_path, notes):
    # An emulator of its own: a killed process reports no coverage.
    own = Emulator(tmp_path / "local", minute=PERIOD).start()
    begin(own, notes)
    pid, _ = began(notes)
    known = processes.identity(pid)
    own.kill()
    own.start()
    wait(lambda: not processes.is_running(known), "the end of what it left")
    assert own.stop() == 0
