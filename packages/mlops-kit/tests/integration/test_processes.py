"""Several processes on one store, and processes that are killed."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

PATIENCE = 120  # seconds until a condition that must come counts as never coming


def wait_until(condition, process):
    """Poll until `condition()` holds; fail if the process ends before, or it takes too long."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert process.poll() is None, f"ended too early: {process.communicate()}"
        assert time.monotonic() < deadline, "the moment to interrupt never came"
        time.sleep(0.002)


def rows(query):
    """Ask the embedded store directly; a store that is not there or locked has no rows."""
    try:
        with sqlite3.connect("file:mlflow.db?mode=ro", uri=True, timeout=5) as store:
            return store.execute(query).fetchall()
    except sqlite3.OperationalError:
        return []


def fill(path):
    """Write until the disk is full."""
    free = shutil.disk_usage(path.parent).free
    path.write_bytes(b"0" * free)
    assert shutil.disk_usage(path.parent).free == 0


def test_four_trains_at_once_on_a_fresh_store_all_succeed(start):
    trains = [start("train") for _ in range(4)]
    outcomes = [(process.communicate(timeout=600), process.returncode) for process in trains]
    assert [code for _, code in outcomes] == [0, 0, 0, 0], outcomes
    assert rows("SELECT status FROM runs") == [("FINISHED",)] * 4
    assert rows("SELECT count(*) FROM experiments WHERE name = 'churn'") == [(1,)]


def test_a_kill_while_the_store_is_made_leaves_none(start):
    train = start("train")
    wait_until(lambda: Path("mlflow.db.unfinished").exists(), train)
    train.kill()
    train.wait()
    assert not Path("mlflow.db").exists()
    again = start("train")
    assert again.wait(timeout=600) == 0, again.communicate()
    assert not list(Path().glob("mlflow.db.unfinished*"))


def test_a_kill_while_tracking_leaves_no_run_to_register(start, command, project):
    train = start("train")
    wait_until(lambda: rows("SELECT 1 FROM runs"), train)
    train.kill()
    train.wait()
    assert rows("SELECT status FROM runs") == [("RUNNING",)]
    refused = command("validate")
    assert refused.code == 2
    assert "there is no run yet" in refused.err
    for name in ("train", "validate", "register"):
        done = command(name)
        assert done.code == 0, done.err
    assert rows("SELECT version FROM model_versions") == [(1,)]


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupt_says_so_and_leaves_no_traceback(start, sent, code, project):
    train = start("train")
    wait_until(lambda: rows("SELECT 1 FROM runs"), train)
    train.send_signal(sent)
    _, err = train.communicate(timeout=60)
    assert train.returncode == code
    assert err == "interrupted: the step counts for nothing; the next run starts afresh\n"
    assert not Path("reports/train.json").exists()


def test_a_kill_while_registering_ends_with_one_version_and_one_champion(start, command, validated):
    register = start("register")
    wait_until(lambda: rows("SELECT 1 FROM registered_models"), register)
    register.kill()
    register.wait()
    assert command("register").code == 0
    assert rows("SELECT version FROM model_versions") == [(1,)]
    assert rows("SELECT alias, version FROM registered_model_aliases") == [("champion", 1)]


def test_two_registers_at_once_make_one_version(start, validated):
    both = [start("register"), start("register")]
    assert [process.wait(timeout=300) for process in both] == [0, 0]
    assert rows("SELECT version FROM model_versions") == [(1,)]


def test_progress_is_plain_lines_in_a_pipe(start, project):
    train = start("train")
    out, err = train.communicate(timeout=600)
    assert train.returncode == 0, err
    steps = [line.split()[0] for line in out.splitlines()]
    assert steps == ["data", "fit", "measure", "track", "trained:"]
    assert "\x1b" not in out


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0 or sys.platform != "linux",
    reason="only root on Linux can mount a small disk",
)
def test_a_full_disk_is_one_sentence_and_loses_nothing(project, command):
    small = project / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(small)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip("this machine lets nobody mount a small disk")
    try:
        (project / "reports").symlink_to(small)
        assert command("train").code == 0
        before = json.loads((small / "train.json").read_text())
        fill(small / "filler")
        done = command("train")
        assert done.code == 2
        assert "No space left on device" in done.err
        assert json.loads((small / "train.json").read_text()) == before
    finally:
        subprocess.run(["umount", str(small)], check=True)
