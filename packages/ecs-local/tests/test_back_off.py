"""How long a new task waits after failures, without an emulator."""

import pytest

from ecs_local import scheduler
from ecs_local.records import Revision, State


@pytest.mark.parametrize(
    ("failed_before", "seconds"), [(0, 0.1), (1, 0.2), (2, 0.4), (5, 3.2), (6, 3.2), (5000, 3.2)]
)
def test_the_wait_doubles_and_has_a_limit(tmp_path, monkeypatch, failed_before, seconds):
    monkeypatch.setattr(scheduler.time, "time", lambda: 0.0)
    revision = Revision("arn", "", "", "", {}, [], 0.0, failed_in_row=failed_before)
    scheduler.Scheduler(State(tmp_path / "state.json"), None).failed(revision)
    assert revision.not_before == pytest.approx(seconds)
    assert revision.failed_in_row == failed_before + 1
