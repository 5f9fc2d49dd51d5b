"""Search and predict on processes of this machine and on a cluster, with workers and clients that are killed."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from distributed import Client

import mlops_kit
from mlops_kit.artifact import folder
from mlops_kit.core.errors import UserError
from mlops_kit.core.project import current
from mlops_kit.experiments import cluster as cluster_of_dask
from mlops_kit.experiments import store as tracking
from mlops_kit.experiments.search import candidates, rounds
from mlops_kit.experiments.search.settings import load_search
from mlops_kit.experiments.settings import load_train
from mlops_kit.serving import dask_predictions, scoring

pytestmark = pytest.mark.slow

PATIENCE = 120  # seconds until a condition that must come counts as never coming
SCHEDULER = ("distributed.cli.dask_scheduler", "--scheduler-file")
ONE = ("--nthreads", "1", "--no-nanny", "--no-dashboard")
WORKER = ("distributed.cli.dask_worker", *ONE, "--scheduler-file")
SMALL = (
    "candidates=3 folds=2 min_rows=200 factor=2 'params={C: {low: 0.01, high: 10.0, log: true}}'"
)


def report():
    return json.loads(Path("reports/search.json").read_text())


def wait_until(condition, *processes):
    """Poll until `condition()` holds; fail if a process ends before, or it takes too long."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        for process in processes:
            assert process.poll() is None, f"ended too early: {process.communicate()}"
        assert time.monotonic() < deadline, "the moment never came"
        time.sleep(0.05)  # each look at a cluster costs it time


def begin(*arguments, to=subprocess.PIPE, **variables):
    """Start a module as a process of its own, in a group that can be ended as a whole."""
    return subprocess.Popen(
        [sys.executable, "-m", *arguments],
        stdout=to,
        stderr=to,
        text=True,
        start_new_session=True,
        env={**os.environ, **variables},
    )


def started_scheduler(file):
    """Start a scheduler that writes its address to the file. To no pipe: it logs more than one holds."""
    where = ("--host", "127.0.0.1", "--port", "0", "--dashboard-address", "127.0.0.1:0")
    scheduler = begin(*SCHEDULER, str(file), *where, to=subprocess.DEVNULL)
    wait_until(lambda: file.exists() and file.read_text().rstrip().endswith("}"), scheduler)
    return scheduler


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """A scheduler and two workers, each a process of its own; gives the address and the workers."""
    file = tmp_path_factory.mktemp("cluster") / "scheduler.json"
    scheduler = started_scheduler(file)
    workers = [
        begin(*WORKER, str(file), "--name", str(name), to=subprocess.DEVNULL) for name in (0, 1)
    ]
    try:
        yield json.loads(file.read_text())["address"], workers
    finally:
        for process in (scheduler, *workers):
            process.kill()
            process.communicate()


@pytest.mark.parametrize("out", ["scores.csv", "scores.parquet"])
def test_a_cluster_writes_the_same_scores_byte_by_byte(exported, cluster, monkeypatch, out):
    monkeypatch.chdir(exported("binary").checkout)
    config = load_train(Path("own.yaml")).data
    written = {}
    for where, address in (("here", ""), ("cluster", cluster[0])):
        monkeypatch.setenv("DASK_SCHEDULER", address)
        done = scoring.score(config, "rows.csv", out, folder.FOLDER, most_rows=50)
        assert done.rows == 800
        written[where] = Path(out).read_bytes(), done.notes()
    assert written["cluster"] == written["here"]


def test_a_worker_keeps_its_model_where_another_thread_takes_another_one(exported, monkeypatch):
    class Taken(dict):
        """What a thread with another model leaves of it."""

        def __setitem__(self, key, model):
            pass

    monkeypatch.setattr(dask_predictions, "_models", Taken())
    files = dask_predictions._packed(exported("binary").folder)
    assert dask_predictions._unpacked(files).name == dask_predictions._unpacked(files).name


def test_a_wrong_value_is_the_same_sentence_from_a_cluster(exported, cluster, monkeypatch):
    monkeypatch.chdir(exported("binary").checkout)
    lines = Path("rows.csv").read_text().splitlines()
    Path("wrong.csv").write_text("\n".join([*lines[:500], lines[500].replace("true", "perhaps")]))
    monkeypatch.setenv("DASK_SCHEDULER", cluster[0])
    config = load_train(Path("own.yaml")).data
    with pytest.raises(UserError, match=r"^wrong.csv: column .* holds 'perhaps' in row 500$"):
        scoring.score(config, "wrong.csv", "none.csv", folder.FOLDER, most_rows=50)
    assert not Path("none.csv").exists()


def test_missing_or_lost_cluster_is_reported(tmp_path, monkeypatch):
    """No worker, a worker of another commit, and a scheduler that dies while a task runs."""
    file, other = tmp_path / "scheduler.json", tmp_path / "src"
    source = Path(mlops_kit.__file__).parent
    shutil.copytree(source, other / source.name, ignore=shutil.ignore_patterns("__pycache__"))
    (other / source.name / "__init__.py").write_text("changed = True\n")
    before = os.pathsep.join([str(other), os.environ.get("PYTHONPATH", "")])
    scheduler = started_scheduler(file)
    monkeypatch.setenv("DASK_SCHEDULER", json.loads(file.read_text())["address"])
    monkeypatch.setattr(cluster_of_dask, "_WORKER_SECONDS", 1)
    with pytest.raises(UserError, match="has had no worker for 1 s"), cluster_of_dask.connect():
        pytest.fail("there is no worker")
    monkeypatch.setattr(cluster_of_dask, "_WORKER_SECONDS", PATIENCE)
    worker = begin(*WORKER, str(file), to=subprocess.DEVNULL, PYTHONPATH=before)
    try:
        stale = r"has source code .*, not .*: start its workers from"
        with pytest.raises(UserError, match=stale), cluster_of_dask.connect():
            pytest.fail("the worker runs something else")
        worker.kill()
        worker.wait()
        worker = begin(*WORKER, str(file), to=subprocess.DEVNULL)
        with cluster_of_dask.connect() as client:
            forever = client.submit(lambda: threading.Event().wait(), pure=False)
            scheduler.kill()
            ended = cluster_of_dask.finished(client, [forever])
            with pytest.raises(UserError, match=r"^the scheduler tcp://.* is gone"):
                [cluster_of_dask.result(client, future) for future in ended]
    finally:
        for process in (scheduler, worker):
            process.kill()
            process.wait()


def expected(config, settings):
    """Fit in this process what the search fits in its only round."""
    whole = rounds.part(current().load(config), config, settings.folds)
    found = {}
    for candidate in candidates.draw(settings):
        its_config = rounds.with_params(config, candidate.params)
        folds = [rounds.fold_score(whole, its_config, fold, 1.0) for fold in range(settings.folds)]
        found[candidate.number] = float(np.mean(folds))
    return found


def test_a_worker_killed_in_the_middle_costs_its_tasks_only(project, cluster, monkeypatch):
    address, workers = cluster
    forest = "model.kind=random_forest model.params={}"
    space = "candidates=5 folds=3 'params={n_estimators: {low: 100, high: 200}}'"
    monkeypatch.setenv("SET", forest)
    monkeypatch.setenv("SEARCH_SET", space)
    search = begin(current().package, "search", DASK_SCHEDULER=address)
    with Client(address) as watching:

        def executing():
            """The names of the workers that fit at this moment."""
            # A function of this module would have to be importable there.
            tasks = watching.run(lambda dask_worker: [t.key for t in dask_worker.state.executing])
            names = {
                key: worker["name"] for key, worker in watching.scheduler_info()["workers"].items()
            }
            return [names[key] for key, keys in tasks.items() if "fold_score" in str(keys)]

        found = []
        wait_until(lambda: found.extend(executing()) or found, search)
        workers[int(found[0])].kill()
        out, err = search.communicate(timeout=PATIENCE)
        assert search.returncode == 0, err
        assert len(watching.nthreads()) == 1
    scores = {each["number"]: each["scores"][-1]["mean"] for each in report()["candidates"]}
    config = load_train(Path("configs/train.yaml"), forest)
    assert scores == expected(config, load_search())
    assert "Traceback" not in out + err


def test_the_best_parameters_are_tracked_and_go_to_train(command, project):
    done = command("search", SEARCH_SET=f"{SMALL} workers=1")
    assert done.code == 0, done.err
    assert "http://127.0.0.1:" in done.out
    found = report()
    last = done.out.splitlines()[-1]
    assert last == f"searched: reports/search.json; next: make train SET={found['set']}"
    assert [each["scores"][0]["rows"] for each in found["candidates"]] == [228] * 4
    # The better half goes on, and the config's own parameters even when they are not of it.
    went = {each["number"]: len(each["scores"]) for each in found["candidates"]}
    assert went[0] == 2
    assert sorted(went.values()) in ([1, 1, 2, 2], [1, 2, 2, 2])
    with tracking.connect() as client:
        experiment = client.get_experiment_by_name("churn").experiment_id
        kept = {run.info.run_id: run for run in client.search_runs([experiment])}
        whole = kept.pop(found["run_id"])
        histories = [client.get_metric_history(run_id, "roc_auc") for run_id in kept]
    assert {run.data.tags["mlflow.parentRunId"] for run in kept.values()} == {found["run_id"]}
    assert {run.info.status for run in (whole, *kept.values())} == {"FINISHED"}
    assert sorted(len(history) for history in histories) == sorted(went.values())
    best = found["candidates"][0]
    assert whole.data.metrics["roc_auc"] == best["scores"][-1]["mean"]
    trained = command("train", SET=found["set"])
    assert trained.code == 0, trained.err
    with tracking.connect() as client:
        run = client.get_run(json.loads(Path("reports/train.json").read_text())["run_id"])
    assert run.data.params["model.params.C"] == str(best["params"]["C"])


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_a_search_that_ends_early_leaves_its_runs_and_no_process(project, sent, code):
    space = f"{SMALL} candidates=100 workers=1"
    search = begin(current().package, "search", SEARCH_SET=space)
    noted = "SELECT count(*) FROM metrics JOIN runs USING (run_uuid) WHERE status = 'FINISHED'"

    def count():
        with closing(sqlite3.connect("file:mlflow.db?mode=ro", uri=True, timeout=5)) as store:
            return store.execute(noted).fetchone()[0]

    wait_until(count, search)
    group = search.pid
    search.send_signal(sent)
    _, err = search.communicate(timeout=PATIENCE)
    assert search.returncode == code
    if sent == signal.SIGINT:
        assert err == "interrupted: no result was saved; the next run starts afresh\n"
    wait_until(lambda: not alive(group))
    assert count() >= 1


def alive(group):
    """Return whether a process of the group is left."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
