"""Stored models: no code runs from them, and a changed byte is refused."""

import numpy as np
import pandas as pd
import pytest
import skops.io
from mlflow.models import Model
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from mlops_kit.core.errors import UserError
from mlops_kit.core.values import MISSING
from mlops_kit.data.columns import Columns
from mlops_kit.data.kinds import infer
from mlops_kit.experiments import model_storage
from mlops_kit.experiments.pipeline import build


@pytest.fixture
def fitted(checkout, settings):
    """A pipeline over all kinds of columns, its columns, its rows, and a test set."""
    generator = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "n": generator.normal(size=60),
            "c": generator.choice(["a", "b", None], 60),
            "d": pd.date_range("2026-01-01", periods=60, freq="D").astype(str),
            "b": generator.choice([True, False], 60),
        }
    )
    config = settings("model.kind=hist_gradient_boosting")
    columns, _ = infer(frame, config.data)
    rows = columns.coerce(frame)
    target = np.arange(60) % 2
    return build(config, columns, rows, target).fit(rows, target), columns, rows, rows[:20]


def test_a_stored_model_predicts_the_same(fitted, checkout):
    pipeline, columns, rows, held_out = fitted
    model_storage.save_model(str(checkout / "m"), Model(), *fitted)
    loaded = model_storage.load(checkout / "m", model_storage.digest(checkout / "m"), "it")
    assert loaded.columns == columns
    pd.testing.assert_frame_equal(loaded.held_out, held_out)
    np.testing.assert_array_equal(loaded.pipeline.predict_proba(rows), pipeline.predict_proba(rows))


def test_profile_has_kinds_ranges_and_missing_values(fitted, checkout):
    model_storage.save_model(str(checkout / "m"), Model(), *fitted)
    found = model_storage.load(checkout / "m", model_storage.digest(checkout / "m"), "it").profile
    number, text, date, truth = found
    assert number["minimum"] == fitted[2]["n"].min()
    assert number["maximum"] == fitted[2]["n"].max()
    words = sorted({"", *MISSING})
    assert text == {"name": "c", "kind": "categorical", "missing": True, "missing_values": words}
    assert (date["minimum"], date["maximum"]) == ("2026-01-01T00:00:00", "2026-03-01T00:00:00")
    assert truth == {"name": "b", "kind": "boolean", "missing": False, "missing_values": []}


def test_of_many_held_out_rows_a_part_from_everywhere_is_stored(fitted, checkout, monkeypatch):
    monkeypatch.setattr(model_storage, "_MOST_HELD_OUT", 8)
    model_storage.save_model(str(checkout / "m"), Model(), *fitted)
    stored = pd.read_parquet(checkout / "m" / "held_out.parquet")
    assert stored["n"].tolist() == fitted[3]["n"].tolist()[::3]


def test_signature_and_example_describe_the_rows(fitted, checkout):
    rows = fitted[2]
    model_storage.save_model(str(checkout / "m"), Model(), *fitted)
    stored = Model.load(str(checkout / "m"))
    kinds = {c["name"]: c["type"] for c in stored.signature.inputs.to_dict()}
    assert kinds == {"n": "double", "c": "string", "d": "datetime", "b": "double"}
    assert list(stored.load_input_example(str(checkout / "m")).columns) == list(rows)


@pytest.mark.parametrize("file", model_storage.FILES)
def test_a_changed_byte_is_refused_before_loading(fitted, checkout, file):
    model_storage.save_model(str(checkout / "m"), Model(), *fitted)
    expected = model_storage.digest(checkout / "m")
    with (checkout / "m" / file).open("ab") as stored:
        stored.write(b" ")
    with pytest.raises(UserError, match="it was changed after training"):
        model_storage.load(checkout / "m", expected, "it")


def test_a_missing_file_is_a_sentence(checkout):
    with pytest.raises(UserError, match=r"it lacks model\.skops"):
        model_storage.load(checkout, "0" * 64, "it")


def test_a_type_that_nobody_reviewed_is_not_stored(fitted, checkout):
    stranger = make_pipeline(FunctionTransformer(Columns)).fit(fitted[2])
    with pytest.raises(UserError, match=r"stores .*Columns.*TRUSTED_TYPES"):
        model_storage.save_model(str(checkout / "m"), Model(), stranger, *fitted[1:])


def test_a_file_with_a_type_that_is_not_trusted_is_not_loaded(fitted, checkout):
    model_storage.save_model(str(checkout / "m"), Model(), *fitted)
    skops.io.dump(FunctionTransformer(Columns), checkout / "m" / "model.skops")
    with pytest.raises(model_storage.CannotLoadError, match=r"it cannot be loaded here: .*Columns"):
        model_storage.load(checkout / "m", model_storage.digest(checkout / "m"), "it")


@pytest.mark.parametrize("file", model_storage.FILES)
def test_a_file_that_is_none_of_ours_is_not_loaded(fitted, checkout, file):
    model_storage.save_model(str(checkout / "m"), Model(), *fitted)
    (checkout / "m" / file).write_text("no model")
    with pytest.raises(model_storage.CannotLoadError, match="it cannot be loaded here"):
        model_storage.load(checkout / "m", model_storage.digest(checkout / "m"), "it")
