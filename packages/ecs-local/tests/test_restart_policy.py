"""When an ended sidecar is restarted, without an emulator."""

import os

import pytest

from ecs_local import sidecars
from ecs_local.records import State, Task


class Launcher:
    """Launches processes that have ended, and counts them."""

    launched = 0
    pid = os.getpid()

    def launch(self, *_):
        self.launched += 1
        return self

    def poll(self):
        return 1


@pytest.mark.parametrize(
    ("policy", "seconds", "launched"),
    [
        ({"enabled": True}, 299, 1),
        ({"enabled": True}, 301, 2),
        ({"enabled": True, "restartAttemptPeriod": 60}, 61, 2),
        ({"enabled": False}, 301, 1),
    ],
)
def test_a_sidecar_is_restarted_only_if_it_ran_for_long_enough(
    tmp_path, monkeypatch, policy, seconds, launched
):
    launcher = Launcher()
    beside = sidecars.Sidecars(State(tmp_path / "state.json"), launcher, second=1.0)
    task = Task(
        id="1",
        arn="1",
        service="",
        cluster="",
        revision="",
        deployment="",
        task_definition="",
        created=0.0,
        container="app",
    )
    monkeypatch.setattr(sidecars.time, "time", lambda: 0.0)
    containers = [{"name": "app"}, {"name": "beside", "restartPolicy": policy}]
    beside.start(task, {"containerDefinitions": containers})
    monkeypatch.setattr(sidecars.time, "time", lambda: seconds)
    beside.watch(task)
    assert launcher.launched == launched
