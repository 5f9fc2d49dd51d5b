"""The contract of every estimator in ESTIMATORS, for each of its tasks: yours is tested as soon as it is listed there."""

from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
import skops.io
from mlflow.models import Model
from threadpoolctl import threadpool_limits

from mlops_kit import data
from mlops_kit.artifact import manifest, onnx_form
from mlops_kit.artifact.predictor import load_form, outputs
from mlops_kit.artifact.settings import ExportConfig
from mlops_kit.data import Dataset
from mlops_kit.experiments import model_storage, training
from mlops_kit.experiments.metrics import estimates
from mlops_kit.experiments.predictions import predict
from mlops_kit.experiments.settings import TrainConfig, metric_names

from ml_template.model import ESTIMATORS

FEATURES = {"age": "numeric", "member": "boolean", "region": "categorical", "joined": "date"}
TARGETS = {"classification": "churned", "regression": "spend"}
ROWS = 200


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """The table is so small that more threads would only wait for each other."""
    with threadpool_limits(1):
        yield


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """A CSV file with a column of each kind, a tenth of its values missing, and a target for each task."""
    draw = np.random.default_rng(0)
    rows = pd.DataFrame(
        {
            "age": draw.normal(40, 12, ROWS).round(1),
            "member": draw.choice(["true", "false"], ROWS),
            "region": draw.choice(["north", "south", "east"], ROWS),
            "joined": np.datetime64("2024-01-01") + draw.integers(0, 700, ROWS),
        }
    )
    spend = rows["age"] + 20 * (rows["region"] == "east") + draw.normal(0, 5, ROWS)
    rows = rows.mask(draw.random(rows.shape) < 0.1)
    file = tmp_path_factory.mktemp("table") / "table.csv"
    churned = np.where(spend > spend.median(), "yes", "no")
    rows.assign(spend=spend, churned=churned).to_csv(file, index=False)
    return file


class Fitted(NamedTuple):
    """A pipeline, and what it was fitted on."""

    config: TrainConfig
    dataset: Dataset
    pipeline: Any


def fit(table, kind, task, features=tuple(FEATURES)):
    """Fit as `make train` does, on some of the features; all else is dropped."""
    others = {*FEATURES, *TARGETS.values()} - {*features, TARGETS[task]}
    settings = {
        "experiment": "test",
        "registered_model": "test",
        "task": task,
        "data": {"source": str(table), "target": TARGETS[task], "drop": sorted(others)},
        "model": {"kind": kind},
        "validation": {"metric": metric_names(task)[0]},
    }
    config = TrainConfig.model_validate(settings)
    dataset = data.load(config)
    pipeline, _ = training.fit(config, dataset)
    return Fitted(config, dataset, pipeline)


EACH = [(kind, task) for kind, tasks in ESTIMATORS.items() for task in tasks]


@pytest.fixture(scope="module", params=EACH, ids="-".join)
def fitted(request, table):
    return fit(table, *request.param)


@pytest.fixture(scope="module")
def stored(fitted, tmp_path_factory):
    """The model, written to a file and read again; a type outside TRUSTED_TYPES is refused."""
    folder, dataset = tmp_path_factory.mktemp("stored") / "model", fitted.dataset
    rows = dataset.train_rows, dataset.test_rows
    model_storage.save_model(str(folder), Model(), fitted.pipeline, dataset.columns, *rows)
    return model_storage.load(folder, model_storage.digest(folder), "the model")


def test_columns_are_of_every_kind(fitted):
    assert fitted.dataset.columns.kinds == FEATURES


def test_predictions_are_numbers_or_known_classes(fitted):
    rows, task = fitted.dataset.test_rows, fitted.config.task
    predicted = fitted.pipeline.predict(rows)
    assert len(predicted) == len(rows)
    if task == "classification":
        assert set(predicted) <= {"yes", "no"}
        assert fitted.pipeline.predict_proba(rows).sum(axis=1) == pytest.approx(1)
    else:
        assert np.isfinite(predicted).all()


@pytest.mark.parametrize(
    "row",
    [
        {"age": None, "member": None, "region": None, "joined": None},
        {"age": 1e6, "member": True, "region": "never seen", "joined": "1901-01-01"},
    ],
    ids=["missing", "unseen"],
)
def test_missing_and_unseen_values_are_predicted(fitted, row):
    rows = fitted.dataset.columns.coerce(pd.DataFrame([row]))
    assert np.isfinite(outputs(fitted.pipeline, rows)).all()


@pytest.mark.parametrize("feature", FEATURES)
@pytest.mark.parametrize(("kind", "task"), EACH)
def test_one_column_is_enough(table, kind, task, feature):
    fitted = fit(table, kind, task, [feature])
    assert np.isfinite(outputs(fitted.pipeline, fitted.dataset.test_rows)).all()


def test_same_seed_gives_same_predictions(fitted, table):
    config, rows = fitted.config, fitted.dataset.test_rows
    again = fit(table, config.model.kind, config.task).pipeline
    np.testing.assert_array_equal(outputs(again, rows), outputs(fitted.pipeline, rows))


def test_every_metric_has_a_value(fitted):
    dataset, task = fitted.dataset, fitted.config.task
    predictions = predict(fitted.pipeline, dataset.test_rows, dataset.test_target, task)
    measured = estimates(metric_names(task), predictions, confidence=0.95, seed=0)
    assert all(np.isfinite([m.value, m.lower, m.upper]).all() for m in measured.values())


def test_stored_model_gives_same_predictions(fitted, stored):
    rows = fitted.dataset.test_rows
    np.testing.assert_array_equal(outputs(stored.pipeline, rows), outputs(fitted.pipeline, rows))


def test_exported_model_gives_same_predictions(stored, tmp_path):
    """As `make export` does it: in ONNX if that predicts the same, else in scikit-learn's own form."""
    matrix = manifest.check_encoding(stored, manifest.described(stored))
    expected = outputs(stored.pipeline, stored.held_out)
    scale = 1 if hasattr(stored.pipeline, "classes_") else expected.std()
    found = exported_outputs(stored.pipeline[1:], matrix, tmp_path)
    assert min(np.abs(each - expected).max() for each in found) <= ExportConfig().tolerance * scale


def exported_outputs(pipeline, matrix, folder):
    """Yield the outputs of each exported form, the preferred one first."""
    onnx, skops_form = folder / "model.onnx", folder / "model.skops"
    with suppress(Exception):  # an estimator may have no converter
        onnx_form.write(pipeline, matrix.shape[1], onnx)
        yield load_form(onnx)(matrix)
    skops.io.dump(pipeline, skops_form)
    yield load_form(skops_form)(matrix)
