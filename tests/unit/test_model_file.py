"""Stored models: no code runs from them, and a changed byte is refused."""

import numpy as np
import pandas as pd
import pytest
import skops.io
from mlflow.models import Model
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from ml_template import model_file
from ml_template.data import Columns, infer
from ml_template.errors import UserError
from ml_template.model import build


@pytest.fixture
def fitted(checkout, settings):
    """A pipeline over all kinds of columns, its columns and its rows."""
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
    columns = infer(frame, config.data)
    rows = columns.coerce(frame)
    return build(config, columns).fit(rows, np.arange(60) % 2), columns, rows


def test_a_stored_model_predicts_the_same(fitted, checkout):
    pipeline, columns, rows = fitted
    model_file.save_model(str(checkout / "m"), Model(), pipeline, columns, rows)
    loaded, its_columns = model_file.load(checkout / "m", model_file.digest(checkout / "m"), "it")
    assert its_columns == columns
    np.testing.assert_array_equal(loaded.predict_proba(rows), pipeline.predict_proba(rows))


def test_signature_and_example_describe_the_rows(fitted, checkout):
    pipeline, columns, rows = fitted
    model_file.save_model(str(checkout / "m"), Model(), pipeline, columns, rows)
    stored = Model.load(str(checkout / "m"))
    kinds = {c["name"]: c["type"] for c in stored.signature.inputs.to_dict()}
    assert kinds == {"n": "double", "c": "string", "d": "datetime", "b": "double"}
    assert list(stored.load_input_example(str(checkout / "m")).columns) == list(rows)


@pytest.mark.parametrize("file", ["model.skops", "columns.json"])
def test_a_changed_byte_is_refused_before_loading(fitted, checkout, file):
    model_file.save_model(str(checkout / "m"), Model(), *fitted)
    expected = model_file.digest(checkout / "m")
    with (checkout / "m" / file).open("ab") as stored:
        stored.write(b" ")
    with pytest.raises(UserError, match="it was changed after training"):
        model_file.load(checkout / "m", expected, "it")


def test_a_missing_file_is_a_sentence(checkout):
    with pytest.raises(UserError, match=r"it lacks model\.skops or columns\.json"):
        model_file.load(checkout, "0" * 64, "it")


def test_a_type_that_nobody_reviewed_is_not_stored(fitted, checkout):
    _, columns, rows = fitted
    stranger = make_pipeline(FunctionTransformer(Columns)).fit(rows)
    with pytest.raises(UserError, match=r"stores .*Columns.*TRUSTED_TYPES"):
        model_file.save_model(str(checkout / "m"), Model(), stranger, columns, rows)


def test_a_file_with_a_type_that_is_not_trusted_is_not_loaded(checkout):
    skops.io.dump(FunctionTransformer(Columns), checkout / "model.skops")
    (checkout / "columns.json").write_text('{"kinds": {}}')
    with pytest.raises(model_file.CannotLoadError, match=r"it cannot be loaded here: .*Columns"):
        model_file.load(checkout, model_file.digest(checkout), "it")


def test_a_file_that_is_no_model_is_not_loaded(checkout):
    (checkout / "model.skops").write_text("no model")
    (checkout / "columns.json").write_text("{}")
    with pytest.raises(model_file.CannotLoadError, match="it cannot be loaded here"):
        model_file.load(checkout, model_file.digest(checkout), "it")
