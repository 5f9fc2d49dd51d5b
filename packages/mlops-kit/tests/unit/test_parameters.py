"""What a run tells MLflow of its settings: any name of a column, and as many columns as there are."""

import json

import mlflow
import pytest

from mlops_kit.experiments import training

NAMES = [
    "since (dd.mm.yyyy)",
    "since [UTC]",
    "since, local",
    "a//b",
    "%",
    "../x",
    "n" * 240,
    "a\nb",
    "größe",
]


@pytest.fixture
def run(tmp_path):
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/mlflow.db")
    with mlflow.start_run() as started:
        yield started
    mlflow.set_tracking_uri(None)


def test_any_name_of_a_column_can_have_a_format(run, settings):
    formats = dict.fromkeys(NAMES, "%d.%m.%Y")
    data = {"source": "d.csv", "target": "y", "dates": formats, "numbers": {NAMES[0]: "1,234.5"}}
    data |= {"drop": [f"column {number}" for number in range(2000)]}
    given = {**settings().model_dump(mode="json"), "data": data}
    mlflow.log_params(training.parameters(given))
    logged = mlflow.get_run(run.info.run_id).data.params
    assert json.loads(logged["data.dates"]) == formats
    assert json.loads(logged["data.numbers"]) == {NAMES[0]: "1,234.5"}
    assert len(logged["data.drop"]) == 6000
    assert logged["data.target"] == "y"
