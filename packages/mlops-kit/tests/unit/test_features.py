"""Derived columns: the same numbers in training, in the service and over files."""

import datetime

import numpy as np
import pandas as pd
import pytest

from mlops_kit import data
from mlops_kit.artifact import manifest
from mlops_kit.artifact.encoding import Encoder
from mlops_kit.artifact.predictor import outputs
from mlops_kit.artifact.row_values import parsed
from mlops_kit.core import features
from mlops_kit.core.errors import UserError
from mlops_kit.data.profile import profile
from mlops_kit.experiments import encode, pipeline, training
from mlops_kit.experiments.model_storage import StoredModel
from mlops_kit.serving import batch_predictions

from ml_template import features as own

ROWS = 60


def derive(columns):
    """A column of each kind goes in."""
    days = (columns["since"] - np.datetime64("2024-01-01")) / np.timedelta64(1, "D")
    return {
        "ratio": columns["a"] / columns["b"],
        "is north": columns["region"] == "north",
        "member days": np.where(np.isnat(columns["since"]), np.nan, days) * columns["member"],
    }


@pytest.fixture
def derived(monkeypatch):
    monkeypatch.setattr(own, "derive", derive)


@pytest.fixture
def dataset(checkout, settings):
    draw = np.random.default_rng(0)
    rows = pd.DataFrame(
        {
            "a": draw.normal(size=ROWS).round(2),
            "b": draw.integers(0, 3, ROWS),  # 0 makes the ratio infinite
            "member": draw.choice(["true", "false"], ROWS),
            "region": draw.choice(["north", "south"], ROWS),
            "since": np.datetime64("2024-01-01") + draw.integers(0, 700, ROWS),
        }
    ).mask(draw.random((ROWS, 5)) < 0.1)
    target = np.where(rows["a"].fillna(0) + draw.normal(0, 1, ROWS) > 0, "yes", "no")
    rows.assign(y=target).to_csv("data.csv", index=False)
    return data.load(settings())


def stored(config, dataset):
    fitted, _ = training.fit(config, dataset)
    described = profile(dataset.columns, dataset.train_rows)
    return StoredModel(fitted, dataset.columns, described, dataset.test_rows)


@pytest.mark.parametrize("kind", ["hist_gradient_boosting", "linear", "random_forest"])
def test_training_service_and_files_encode_the_same(derived, dataset, settings, kind):
    model = stored(settings(f"model.kind={kind}"), dataset)
    described, names = manifest.described(model), manifest.derived(model)
    assert names == ["ratio", "is north", "member days"]
    trained = model.pipeline["encode"].transform(model.held_out)
    encoder = Encoder(described, names)
    assert trained.shape[1] == encoder.width
    served = encoder.matrix(parsed(model.columns, model.held_out))
    np.testing.assert_array_equal(served, trained)
    from_file = batch_predictions.matrix(described, names, model.held_out, batch_predictions.New())
    np.testing.assert_array_equal(from_file, trained)
    assert np.isfinite(outputs(model.pipeline, model.held_out)).all()


def test_nothing_derived_adds_no_step(dataset, settings):
    fitted, _ = training.fit(settings("model.kind=linear"), dataset)
    assert pipeline.derived_by(fitted) is None


def test_the_service_gives_the_types_that_training_gave(derived, dataset, monkeypatch):
    seen = []
    monkeypatch.setattr(
        own, "derive", lambda columns: seen.append(columns) or {"one": columns["a"]}
    )
    kinds = dataset.columns.kinds
    described = [{"name": name, "kind": kind} for name, kind in kinds.items()]
    for column in described:
        if column["kind"] == "categorical":
            column |= {"categories": [], "codes": [], "unseen_code": -1, "missing_code": -2}
        if column["kind"] == "date":
            column["parts"] = ["days since 1970"]
    values = {
        "a": [1.0, 1.0],
        "b": [None, None],
        "member": [True, True],
        "region": [None, "north"],
        "since": [datetime.datetime(2024, 5, 1), None],
    }
    Encoder(described, ["one"]).matrix(values)
    features.matrix(encode.arrays(dataset.train_rows), ["one"])
    service, trained = seen
    assert {name: each.dtype for name, each in service.items()} == {
        name: each.dtype for name, each in trained.items()
    }
    assert service["region"].tolist() == [None, "north"]
    assert None in trained["region"].tolist()
    assert np.isnat(service["since"][1])


@pytest.mark.parametrize("value", [np.inf, -np.inf, 1e300, np.nan])
def test_what_no_float32_holds_is_missing(monkeypatch, value):
    monkeypatch.setattr(own, "derive", lambda columns: {"x": np.full(2, value)})
    assert np.isnan(features.matrix({"a": np.zeros(2)}, ["x"])).all()


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (lambda columns: {"x": columns["nope"]}, "features.py failed: KeyError: 'nope'"),
        (lambda columns: {"y": columns["a"]}, "features.py derives y; expected: x"),
        (lambda columns: {"x": np.zeros(3)}, "features.py: 'x' is no array of 2 numbers"),
        (lambda columns: {"x": np.array(["a", "b"])}, "features.py: 'x' is no array of 2 numbers"),
        (lambda columns: None, "features.py failed: TypeError"),
    ],
)
def test_what_is_wrong_is_one_sentence(monkeypatch, wrong, sentence):
    monkeypatch.setattr(own, "derive", wrong)
    with pytest.raises(UserError) as refused:
        features.matrix({"a": np.zeros(2)}, ["x"])
    assert sentence in str(refused.value)


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (lambda columns: {"x": columns["a"] / columns["a"].max()}, "ValueError: zero-size array"),
        (lambda columns: {"x": columns["a"] - columns["a"][0]}, "IndexError: index 0"),
    ],
)
def test_what_depends_on_other_rows_is_one_sentence(monkeypatch, wrong, reason):
    monkeypatch.setattr(own, "derive", wrong)
    with pytest.raises(UserError) as refused:
        features.names({"a": "numeric"})
    assert str(refused.value).startswith(f"derive in features.py failed: {reason}")
    assert str(refused.value).endswith("derive each row from that row alone)")


def test_a_name_of_the_data_is_refused(monkeypatch):
    monkeypatch.setattr(own, "derive", lambda columns: {"a": columns["a"]})
    with pytest.raises(UserError, match="derives 'a', which is a column of the data"):
        features.names({"a": "numeric"})


def test_a_column_without_any_value_is_refused(dataset, settings, monkeypatch):
    monkeypatch.setattr(own, "derive", lambda columns: {"x": columns["a"] * np.nan})
    with pytest.raises(UserError, match=r"features\.py: 'x' is missing in all rows"):
        training.fit(settings(), dataset)
