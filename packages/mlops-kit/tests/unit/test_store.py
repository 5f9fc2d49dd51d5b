"""The MLflow store: more experiments than one page lists, and artifacts that cannot be written."""

import logging
import secrets

import mlflow
import pytest

from mlops_kit.core.errors import UserError
from mlops_kit.experiments import open_runs, runs, store

PAGE = 1000  # experiments that MLflow lists at once


@pytest.fixture(scope="module")
def crowded(tmp_path_factory):
    """The URI of a store with more experiments than a page, and the id of the first, which comes last."""
    address = f"sqlite:///{tmp_path_factory.mktemp('store')}/crowded.db"
    client = mlflow.MlflowClient(tracking_uri=address)
    first = client.create_experiment("first")
    from sqlalchemy import create_engine, text

    with create_engine(address).begin() as connection:
        row = "INSERT INTO experiments (name, lifecycle_stage, creation_time, last_update_time) VALUES (:n, 'active', :t, :t)"
        others = [{"n": secrets.token_hex(6), "t": 10**15} for _ in range(PAGE)]
        connection.execute(text(row), others)
    return address, first


@pytest.fixture
def client(crowded, checkout, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", crowded[0])
    with store.connect() as connected:
        yield connected
    mlflow.set_tracking_uri(None)


def test_a_run_is_found_among_any_number_of_experiments(client, crowded):
    assert crowded[1] not in [each.experiment_id for each in client.search_experiments()]
    run_id = client.create_run(crowded[1]).info.run_id
    with pytest.raises(UserError, match=rf"^run {run_id} did not finish \(RUNNING\): make train"):
        runs.find(client, run_id)
    client.delete_run(run_id)
    for unknown in (run_id, "0" * 32):
        with pytest.raises(UserError, match=f"^run {unknown} is not in sqlite"):
            runs.find(client, unknown)


def test_a_killed_run_is_closed_among_any_number_of_experiments(client, crowded):
    with open_runs.hold(crowded[1]) as mark:
        run_id = client.create_run(crowded[1], tags=mark).info.run_id
        (name,) = mark.values()
    (open_runs.FOLDER / name).touch()
    open_runs.close_killed(client)
    assert client.get_run(run_id).info.status == "KILLED"
    assert not list(open_runs.FOLDER.iterdir())


def test_warnings_of_mlflow_alone_are_silenced(client):
    assert logging.getLogger("ml_template.train").isEnabledFor(logging.WARNING)
    for name in ("mlflow.store.db.utils", "alembic.runtime.migration", "urllib3.connectionpool"):
        assert not logging.getLogger(name).isEnabledFor(logging.WARNING)
        assert logging.getLogger(name).isEnabledFor(logging.ERROR)


def test_unwritable_artifacts_are_reported_with_their_location(client, tmp_path):
    (tmp_path / "file").touch()
    for location, expected in (
        (f"{tmp_path}/file/artifacts", "Not a directory"),
        ("fancy://u:hunter2@host/artifacts", "Could not find a registered artifact repository"),
    ):
        experiment = client.create_experiment(secrets.token_hex(6), artifact_location=location)
        with pytest.raises(UserError) as caught:
            store.check_artifacts(client, experiment)
        sentence = str(caught.value)
        assert store.redacted(location) in sentence
        assert expected in sentence
        assert "hunter2" not in sentence


def test_the_check_leaves_nothing_in_a_folder(client, tmp_path):
    place = tmp_path / "artifacts"
    experiment = client.create_experiment(secrets.token_hex(6), artifact_location=str(place))
    store.check_artifacts(client, experiment)
    assert list(place.iterdir()) == []
