"""The parameters and the input that a run logs to MLflow: any name of a column, and any number of columns."""

import json

import mlflow
import pytest

from mlops_kit.data import Dataset
from mlops_kit.experiments import inputs, training

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


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """The URI of an embedded store: its migrations take seconds."""
    return f"sqlite:///{tmp_path_factory.mktemp('store')}/mlflow.db"


@pytest.fixture
def run(address):
    mlflow.set_tracking_uri(address)
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


def test_any_column_or_class_name_is_logged_in_parameters(run, settings):
    by_names = {"monotonic_cst": dict.fromkeys(NAMES, 1), "class_weight": {True: 2, 7: 1}, "C": 1}
    given = settings().model_dump(mode="json")
    given["model"]["params"] = by_names
    mlflow.log_params(training.parameters(given))
    logged = mlflow.get_run(run.info.run_id).data.params
    assert json.loads(logged["model.params.monotonic_cst"]) == by_names["monotonic_cst"]
    assert json.loads(logged["model.params.class_weight"]) == {"true": 2, "7": 1}
    assert logged["model.params.C"] == "1"


@pytest.mark.parametrize(
    ("source", "kind", "found"),
    [
        ("sklearn:iris", "code", {"tags": {"data.source": "sklearn:iris"}}),
        ("sql:queries/a b.sql", "code", {"tags": {"data.source": "sql:queries/a b.sql"}}),
        ("data/part-*.csv", "local", {"uri": "data/part-*.csv"}),
        ("s3://rows/2026/", "s3", {"uri": "s3://rows/2026/"}),
        ("data/" + "n" * 600 + ".csv", "local", None),
    ],
)
def test_the_source_is_an_input_of_the_run(run, source, kind, found):
    dataset = Dataset(
        columns=None,
        train_rows=range(80),
        train_target=None,
        test_rows=range(20),
        test_target=None,
        digest="0123" * 16,
        train_fingerprints=None,
        repeated=0,
        task="regression",
        notes=[],
        left_out=[],
    )
    inputs.log(source, dataset)
    (logged,) = mlflow.get_run(run.info.run_id).inputs.dataset_inputs
    assert (logged.dataset.name, logged.dataset.source_type) == (source[:500], kind)
    assert dataset.digest.startswith(logged.dataset.digest)
    assert found is None or json.loads(logged.dataset.source) == found
    assert {tag.key: tag.value for tag in logged.tags} == {
        "mlflow.data.context": "training",
        "rows": "80 training rows, 20 test rows",
    }
