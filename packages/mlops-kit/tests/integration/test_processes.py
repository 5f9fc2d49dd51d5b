"""Several processes on one store, and processes that are killed."""

import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
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
        time.sleep(0.01)


def rows(query):
    """Query the embedded store directly; a store that is not there or locked has no rows."""
    try:
        with closing(sqlite3.connect("file:mlflow.db?mode=ro", uri=True, timeout=5)) as store:
            return store.execute(query).fetchall()
    except sqlite3.OperationalError:
        return []


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
    assert rows("SELECT status FROM runs") == [("KILLED",)]
    assert list(Path("mlflow.db.open").iterdir()) == []
    for name in ("train", "validate", "register"):
        done = command(name)
        assert done.code == 0, done.err
    assert rows("SELECT version FROM model_versions") == [(1,)]


@pytest.mark.parametrize(
    "reached",
    ["SELECT 1 FROM runs", "SELECT 1 FROM tags WHERE key = 'validation' AND value = 'unfinished'"],
    ids=["training", "validating"],
)
def test_a_killed_pipeline_leaves_nothing_to_register(start, command, project, reached):
    pipeline = start("pipeline")
    wait_until(lambda: rows(reached), pipeline)
    pipeline.kill()
    pipeline.wait()
    assert command("register").code == 2
    assert rows("SELECT 1 FROM registered_models") == []
    assert not Path("reports/validation.json").exists()
    done = command("pipeline")
    assert done.code == 0, done.err
    run_id = json.loads(Path("reports/train.json").read_text())["run_id"]
    assert rows("SELECT version, run_id FROM model_versions") == [(1, run_id)]
    assert rows("SELECT alias, version FROM registered_model_aliases") == [("champion", 1)]


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupt_prints_one_line_without_traceback(start, sent, code, project):
    train = start("train")
    wait_until(lambda: rows("SELECT 1 FROM runs"), train)
    train.send_signal(sent)
    _, err = train.communicate(timeout=60)
    assert train.returncode == code
    assert err == "interrupted: no result was saved; the next run starts afresh\n"
    assert not Path("reports/train.json").exists()


def test_killed_register_leaves_one_version_and_champion(start, command, validated):
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


@pytest.fixture
def fill_disk(fresh_project):
    """A function that puts a folder of the checkout, with what is in it, on a disk of its own, which it fills."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0 or sys.platform != "linux":
        pytest.skip("only root on Linux can mount a small disk")
    filled = []

    def fill(name):
        folder, aside = fresh_project / name, fresh_project / f"{name}.aside"
        folder.mkdir(exist_ok=True)
        folder.rename(aside)
        folder.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(folder)]
        if subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip("this machine lets nobody mount a small disk")
        filled.append(folder)
        shutil.copytree(aside, folder, dirs_exist_ok=True)
        (folder / "filler").write_bytes(b"0" * shutil.disk_usage(folder).free)
        assert shutil.disk_usage(folder).free == 0

    yield fill
    for folder in filled:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_loses_nothing(trained, command, fill_disk):
    before = Path("reports/train.json").read_text()
    fill_disk("reports")
    assert command("train").code == 2
    assert Path("reports/train.json").read_text() == before


# What is full while a step works, by the step: a folder of the checkout, or scratch, the one for temporary files.
FULL = {
    "train": ("reports", "mlartifacts", "scratch"),
    "validate": ("reports", "mlartifacts", "scratch"),
    "register": ("reports", "mlartifacts", "scratch"),
    "report": ("reports", "scratch"),
    "export": ("artifacts", "scratch"),
}


@pytest.mark.parametrize(("step", "place"), [(step, one) for step in FULL for one in FULL[step]])
def test_a_full_disk_is_named(
    fresh_project, finished_steps, command, fill_disk, monkeypatch, step, place
):
    before = {"train": "train", "validate": "train", "register": "validate"}.get(step, "register")
    shutil.copytree(finished_steps[before], fresh_project, dirs_exist_ok=True)
    (fresh_project / "scratch").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(fresh_project / "scratch"))
    fill_disk(place)
    done = command(step)
    assert (done.code, done.err.count("\n")) == (2, 1), done
    assert "No space left on device" in done.err
    assert re.search(rf"\b{place}/|/{place}\b", done.err), done.err
