"""The line of a gate, and the part of its output that is shown."""

import os

import pytest

from mlops_kit.ci.metrics import gates

PYTEST = """\
........................................................................ [ 43%]
...........................s.........F.................................. [ 87%]
"""


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        (PYTEST, "  87 %"),
        (PYTEST + "....\n", "  87 %"),
        ("", ""),
        ("... it is [ 43%]\n", ""),
    ],
)
def test_share_is_the_last_one_of_pytest(output, expected):
    assert gates.share(output) == expected


def test_a_gate_that_passed_leaves_no_dots():
    table = "Name    Stmts   Miss\n[ 43%] is no dots\n12 passed in 3.4s\n"
    assert gates.gist("bringing up nodes...\n\n" + PYTEST + "\n\n" + table) == table
    assert gates.gist(PYTEST) == ""


@pytest.fixture
def here(monkeypatch, tmp_path):
    """The file that failures are noted in; signals stay the test's own."""
    monkeypatch.setattr(gates.signal, "signal", lambda *_: None)
    failed = tmp_path / "failed"
    failed.touch()
    monkeypatch.setenv(gates.FAILED, str(failed))
    return failed


def test_a_running_gate_shows_its_progress(here, monkeypatch, capfd, tmp_path):
    """The gate goes on once the line about it was shown."""
    monkeypatch.setattr(gates, "_SECONDS_BETWEEN_LINES", 0.01)
    texts, show = [], gates._show

    def shown(text, *noted):
        show(text, *noted)
        texts.append(text)
        if "62 %" in text:
            (tmp_path / "go").touch()

    monkeypatch.setattr(gates, "_show", shown)
    script = (
        f"echo '.... [ 62%]'; until test -e {tmp_path}/go; do sleep 0.01; done; echo end; exit 3"
    )
    assert gates.run_one("test", ["-c", script]) == 3
    assert texts[0].startswith("runs    test ")
    assert texts[-1].startswith("FAILED  test ")
    assert texts[-1].endswith(" s\n.... [ 62%]\nend\n")
    assert capfd.readouterr().out == "".join(texts)
    assert here.read_text() == "test\n"


def test_a_gate_that_passes_or_is_killed(here, capfd):
    assert gates.run_one("lint", ["-c", f"echo failed: ${gates.FAILED}."]) == 0
    assert here.read_text() == ""
    assert capfd.readouterr().out.endswith(
        " s\nfailed: .\n"
    )  # a make in a test knows nothing of it
    assert gates.run_one("lint", ["-c", "kill -9 $$"]) == 137
    assert here.read_text() == "lint\n"


def test_those_that_failed_are_named_once_at_the_end(here, capfd):
    script = f"for name in test lint test; do echo $name >>${gates.FAILED}; done; exit 2"
    assert gates.run_all(["/bin/sh", "-c", script]) == 2
    assert capfd.readouterr().out.startswith("quality gates: FAILED: lint, test (")
    assert gates.run_all(["/bin/sh", "-c", ":"]) == 0
    assert capfd.readouterr().out == ""
    assert os.environ[gates.FAILED] == str(here)
