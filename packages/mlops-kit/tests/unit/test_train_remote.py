"""Training on ECS, with clients whose responses each test sets."""

from types import SimpleNamespace

import pytest

from mlops_kit.core.errors import UserError
from mlops_kit.delivery.terraform import train_remote

CONTRACT = {
    "cluster": "cluster",
    "task_definition": "train",
    "capacity_provider": "FARGATE_SPOT",
    "subnets": [],
    "security_groups": [],
    "assign_public_ip": False,
    "container": "train",
    "log_group": "group",
}
RUNNING = {"lastStatus": "RUNNING"}
STOPPED = {"lastStatus": "STOPPED", "containers": [{"exitCode": 3}]}


class Ecs:
    """Describes the task as one of `answers` after the other, and then as the last."""

    def __init__(self, *answers):
        self.answers = list(answers)

    def run_task(self, **_):
        return {"tasks": [{"taskArn": "arn:task/cluster/1"}]}

    def describe_tasks(self, **_):
        found = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return {"tasks": [found] if found else [], "failures": []}


class Logs:
    """Has pages of lines, the token of which is their number; the token of the last page repeats."""

    exceptions = SimpleNamespace(ResourceNotFoundException=LookupError)

    def __init__(self, *pages):
        self.pages = pages

    def get_log_events(self, nextToken="0", **_):  # noqa: N803 # botocore's name
        number = int(nextToken)
        if not self.pages:
            raise LookupError
        lines = self.pages[number] if number < len(self.pages) else []
        return {
            "events": [{"message": f"{line}\n"} for line in lines],
            "nextForwardToken": str(min(number + 1, len(self.pages))),
        }


@pytest.fixture
def follow(monkeypatch):
    def run(ecs, logs):
        monkeypatch.setattr(train_remote, "client", {"ecs": ecs, "logs": logs}.__getitem__)
        monkeypatch.setattr(train_remote, "_contract", lambda name: CONTRACT)
        return train_remote.train("staging", poll_seconds=0)

    return run


def test_a_task_that_ecs_does_not_list_yet_is_asked_for_again(follow):
    assert follow(Ecs(None, None, RUNNING, STOPPED), Logs()) == 3


def test_a_task_that_ecs_never_lists_is_an_error(follow):
    with pytest.raises(UserError, match="ECS does not list the task 1 of cluster"):
        follow(Ecs(None), Logs())


def test_all_pages_of_the_log_are_printed_once(follow, capsys):
    logs = Logs(["one", "two"], [], ["three"])
    assert follow(Ecs(STOPPED), logs) == 3
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line in ("one", "two", "three")] == ["one", "two", "three"]


def test_lines_that_come_after_the_end_are_printed(follow, capsys, monkeypatch):
    logs = Logs(["one"])
    monkeypatch.setattr(
        train_remote.time, "sleep", lambda _: setattr(logs, "pages", (["one"], ["last"]))
    )
    assert follow(Ecs(STOPPED), logs) == 3
    assert capsys.readouterr().out.splitlines()[-2:] == ["one", "last"]
