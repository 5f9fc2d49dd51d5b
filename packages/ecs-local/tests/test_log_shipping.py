"""Shipping a task's log, without an emulator."""

from types import SimpleNamespace

import pytest

from ecs_local import log_shipping

LONGEST = 262_144 - 26  # bytes of an event of awslogs


class Logs:
    """Receives log events as CloudWatch Logs does."""

    exceptions = SimpleNamespace(ResourceNotFoundException=LookupError)

    def __init__(self):
        self.messages = []

    def put_log_events(self, logEvents, **_):  # noqa: N803 # botocore's name
        assert len(logEvents) <= 10_000
        messages = [event["message"] for event in logEvents]
        assert all(0 < len(message.encode()) <= LONGEST for message in messages)
        assert sum(len(message.encode()) + 26 for message in messages) <= 1 << 20
        self.messages += messages


@pytest.fixture
def logs():
    return Logs()


@pytest.fixture
def shipper(logs):
    return log_shipping.LogShipper(SimpleNamespace(client=lambda service, region: logs))


def task(alive):
    stream = {"group": "g", "stream": "s"}
    return SimpleNamespace(id="1", arn="arn:aws:ecs:region", log=stream, alive=alive)


def ship_all(shipper, log):
    """Ship the log of a running task, some of it at a time."""
    for _ in range(10):
        shipper.ship(task(alive=True), log)


def test_a_long_line_is_split_between_characters_and_the_next_line_follows(shipper, logs, tmp_path):
    log = tmp_path / "log"
    line = "a" + "é" * LONGEST  # a split at the limit would be within a character
    log.write_text(f"{line}\nnext\n", encoding="utf-8")
    ship_all(shipper, log)
    *pieces, following = logs.messages
    assert "".join(pieces) == line
    assert [len(piece.encode()) for piece in pieces[:-1]] == [LONGEST - 1, LONGEST]
    assert following == "next"


def test_all_that_a_stopped_task_left_is_shipped(shipper, logs, tmp_path):
    log = tmp_path / "log"
    lines = [f"line {number} {'x' * 1000}" for number in range(1000)]
    log.write_text("\n".join(lines), encoding="utf-8")
    shipper.ship(task(alive=False), log)
    assert logs.messages == lines
    shipper.ship(task(alive=False), log)
    assert logs.messages == lines


def test_short_lines_are_within_the_limits_of_a_request(shipper, logs, tmp_path):
    log = tmp_path / "log"
    log.write_bytes(b"\n" * LONGEST + b"a\n" * 30_000)
    shipper.ship(task(alive=False), log)
    assert logs.messages == ["a"] * 30_000


def test_an_incomplete_line_of_a_running_task_waits_for_its_end(shipper, logs, tmp_path):
    log = tmp_path / "log"
    log.write_bytes(b"one\ntw")
    ship_all(shipper, log)
    assert logs.messages == ["one"]
    log.write_bytes(b"one\ntwo\n")
    ship_all(shipper, log)
    assert logs.messages == ["one", "two"]
