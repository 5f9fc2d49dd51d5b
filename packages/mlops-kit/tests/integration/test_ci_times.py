"""Build times: the table, the comparison with earlier builds, and MLflow's experiment `ci`."""

import json

import mlflow
import pytest
import requests

from mlops_kit.ci.metrics import times
from mlops_kit.experiments import embedded_store, store

NOTED = {"exit": 0, "commit": "c" * 40, "runner": "Linux x86_64, 2 cores", "cache_hit": True}


@pytest.fixture
def build(command, project):
    """A function that runs ci-times after targets that took the given seconds; `noted` is what else is noted."""

    def run(seconds: dict, **noted):
        path = project / "reports/ci-times.jsonl"
        path.parent.mkdir(exist_ok=True)
        done = {"ci-times": 1.0}  # of the build before
        lines = [
            {**NOTED, "target": target, "seconds": took, **noted}
            for target, took in {**done, **seconds}.items()
        ]
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        outcome = command("ci-times")
        assert (outcome.code, outcome.err) == (0, "")
        return outcome.out

    return run


def logged():
    with store.connect() as client:
        experiment = client.get_experiment_by_name("ci").experiment_id
        return [
            (
                run.data.metrics,
                run.data.tags,
                [a.path for a in client.list_artifacts(run.info.run_id)],
            )
            for run in client.search_runs([experiment], order_by=["attributes.start_time ASC"])
        ]


def test_builds_are_tracked_and_a_slow_one_is_a_warning(build, project):
    (project / "reports").mkdir()
    (project / "reports/summary.md").write_text("## deploy\n\nfine\n")
    for seconds in (9.0, 10.0, 10.0, 11.0, 30.0):
        assert "warning" not in build({"lint": seconds, "test": 100.0})
    build({"lint": 500.0}, runner="Linux aarch64, 4 cores")
    build({"lint": 500.0}, cache_hit=False)
    output = build({"lint": 15.5, "test": 101.0})
    assert output.count("warning") == 1
    slow = "lint took 15.5 s; the median of its last 5 on such a runner is 10.0 s"
    assert f"warning: {slow}\n" in output
    written = (project / "reports/summary.md").read_text()
    assert written == (
        "## deploy\n\nfine\n\n## Build times\n\nLinux x86_64, 2 cores; caches were restored.\n\n"
        f"**Slower than usual**: {slow}.\n\n"
        "| target | s | median before | exit |\n|---|---|---|---|\n"
        "| lint | 15.5 | 10.0 | 0 |\n| test | 101.0 | 100.0 | 0 |\n"
    )
    runs = logged()
    assert len(runs) == 8
    metrics, tags, artifacts = runs[-1]
    assert metrics == {"seconds.lint": 15.5, "seconds.test": 101.0}
    assert (tags["git.commit"], tags["cache_hit"]) == ("c" * 40, "true")
    assert artifacts == ["ci-times.png"]
    assert (project / "reports/ci-times.png").read_bytes().startswith(b"\x89PNG")


def test_what_failed_is_tabled_but_no_measure(build):
    assert "lint" in build({"lint": 1.0, "test": 2.0}, exit=1)
    assert [metrics for metrics, _, _ in logged()] == [{}]


def test_without_a_store_it_is_a_table_and_a_note(build, project):
    (project / embedded_store.STORE).unlink()
    output = build({"lint": 1.0})
    assert (
        "not tracked: there is no mlflow.db here, and MLFLOW_TRACKING_URI names no server" in output
    )
    assert "| lint | 1.0 |  | 0 |" in (project / "reports/summary.md").read_text()
    assert not (project / embedded_store.STORE).exists()


@pytest.mark.parametrize("error", [requests.HTTPError, RuntimeError])
def test_a_store_that_fails_in_its_own_way_fails_no_build(build, project, monkeypatch, error):
    def refuse(*_):
        raise error("403 for https://robot:secret@host/")

    monkeypatch.setattr(mlflow.MlflowClient, "log_artifact", refuse)
    output = build({"lint": 1.0})
    assert f"warning: not tracked: unexpected {error.__name__}\n" in output
    assert "secret" not in output
    assert "| lint | 1.0 |  | 0 |" in (project / "reports/summary.md").read_text()


def test_missing_times_are_one_line(command):
    assert command("ci-times").out.startswith("no build times: reports/ci-times.jsonl has none")


def test_a_damaged_file_is_a_sentence(command, checkout):
    (checkout / "reports").mkdir()
    (checkout / "reports/ci-times.jsonl").write_text("{}\n")
    outcome = command("ci-times")
    assert outcome.code == 2
    assert outcome.err.startswith("error: reports/ci-times.jsonl is damaged: remove it")


@pytest.mark.parametrize(
    ("seconds", "before", "slow"),
    [
        (15.5, [10.0] * 5, True),
        (15.5, [10.0] * 4, False),  # no measure yet
        (14.9, [10.0] * 5, False),  # not 1.5 times
        (6.0, [1.0] * 5, False),  # not 5 s
        (6.1, [1.0] * 5, True),
    ],
)
def test_slow_is_more_than_half_again_and_five_seconds(seconds, before, slow):
    timing = times.Timing("lint", seconds, 0, "", "", True)
    assert bool(times.regressions([timing], {"lint": before})) == slow
    assert times.regressions([timing._replace(exit=1)], {"lint": before}) == []
