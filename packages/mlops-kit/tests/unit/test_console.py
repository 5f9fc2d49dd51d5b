"""The output of a command on a narrow terminal."""

import io
import re

from rich.console import Console

from mlops_kit.core import console


def test_a_table_cuts_nothing_on_a_narrow_terminal(monkeypatch):
    printed = io.StringIO()
    monkeypatch.setattr(console, "_console", Console(file=printed, width=80))
    row = [
        "2026-11-28T10:15:00Z",
        "0123456789ab-v3",
        "rolled-back",
        "a-person@example.com",
        "why " * 9,
    ]
    console.show_table("last deployments", ["started", "release", "", "by", "why"], [row])
    lines = printed.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    cells = [line.split("│")[1:-1] for line in lines if line.startswith("│")]
    columns = ["".join(part.strip() for part in column) for column in zip(*cells)]
    assert [re.sub(" ", "", value) for value in row] == [re.sub(" ", "", c) for c in columns]
