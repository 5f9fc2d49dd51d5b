"""ONNX predicts as scikit-learn does: every estimator on every kind of column, and where rounding would show."""

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline

from mlops_kit.artifact import onnx_form
from mlops_kit.artifact.predictor import load_form
from mlops_kit.data import Columns
from mlops_kit.experiments import pipeline as model

pytestmark = [
    pytest.mark.usefixtures("checkout"),
    pytest.mark.filterwarnings(f"ignore::{ConvergenceWarning.__module__}.ConvergenceWarning"),
]

CLOSE = 1e-6  # of a probability; in regression of the predictions' spread
ROWS = 700
COLUMNS = Columns(
    {
        "n": "numeric",
        "m": "numeric",
        "b": "boolean",
        "k": "categorical",
        "d": "date",
        "c": "categorical",
    }
)
QUICK = {
    "hist_gradient_boosting": "model.params.max_iter=8",
    "random_forest": "model.params.n_estimators=8",
    "linear": "",
}
TARGETS = {"binary": ["no", "yes"], "classes": [3, 7, 9, 12], "number": []}
LABELS = {
    "truth": [False, True],
    "numbers": [-1, 10**12],
    "texts": ["", 'yes, "no"', "ü\n"],
}

# Those that have to become ONNX; of an estimator of your own each export prints its format.
every_kind = pytest.mark.parametrize("kind", list(QUICK))
every_target = pytest.mark.parametrize("target", list(TARGETS))


def table(seed=0, rows=ROWS):
    """Missing values, far dates, large offsets with tiny steps, and more categories than can be numbered."""
    draw = np.random.default_rng(seed)
    days = np.datetime64("1990-01-01T00:00", "m") + draw.integers(0, 20_000_000, rows)
    every = pd.DataFrame(
        {
            "n": draw.normal(size=rows),
            "m": 1e6 + draw.integers(0, 50, rows) * 1e-3,
            "b": draw.random(rows) < 0.5,
            "k": draw.choice(["red", "green", "blue"], rows, p=[0.5, 0.3, 0.2]),
            "d": days.astype(str),
            "c": [f"c{number}" for number in draw.integers(0, 500, rows)],
        }
    )
    every.loc[::40, "d"] = "9999-12-31"
    every = every.astype(object).mask(draw.random(every.shape) < 0.15)
    return COLUMNS.coerce(every)


def goal(rows, target, labels=None):
    """A target that depends on every column."""
    depends = (
        rows["n"].fillna(3) + rows["b"].fillna(-1) + (rows["k"] == "red") * rows["n"].fillna(1)
    )
    depends += (rows["m"].fillna(1e6) - 1e6) * 40 + rows["c"].fillna("c5").str[-1].astype(int) / 3
    depends += rows["d"].isna() * 2 + np.random.default_rng(2).normal(size=len(rows)) / 3
    if target == "number":
        return 1e6 + depends.to_numpy()
    labels = np.array(labels or TARGETS[target], dtype=object)
    if not isinstance(labels[0], str):
        labels = np.array(list(labels))
    return labels[pd.qcut(depends, len(labels), labels=False)]


@pytest.fixture(scope="module")
def fits():
    """The fitted pipelines so far: several tests ask for the same one."""
    return {}


@pytest.fixture
def fitted(fits, settings):
    """A function that returns a pipeline as model.py builds it, fitted on the table."""

    def get(kind, target, more="", labels=None):
        key = (kind, target, more, str(labels))
        if key not in fits:
            fits[key] = fit(settings, kind, target, more, labels)
        return fits[key]

    return get


def fit(settings, kind, target, more, labels):
    task = "regression" if target == "number" else "classification"
    metric = "mae" if target == "number" else "accuracy"
    config = settings(
        f"task={task} validation.metric={metric} model.kind={kind} {QUICK[kind]} {more}"
    )
    rows = table()
    its_goal = goal(rows, target, labels)
    return model.build(config, COLUMNS, rows, its_goal).fit(rows, its_goal)


def outputs(pipeline, rows):
    if hasattr(pipeline, "predict_proba"):
        return pipeline.predict_proba(rows)
    return pipeline.predict(rows).reshape(-1, 1)


def converted(pipeline, width, folder):
    onnx_form.write(pipeline, width, folder / "model.onnx")
    return load_form(folder / "model.onnx")


def assert_same(pipeline, matrix, folder):
    """Compare the steps after the encoding with their ONNX form, on a matrix of rows."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # exp of extreme rows
        expected = outputs(pipeline, matrix)
    found = converted(pipeline, matrix.shape[1], folder)(matrix)
    scale = 1.0 if hasattr(pipeline, "predict_proba") else expected.std()
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= CLOSE * scale


def matrix_of(pipeline, *seeds):
    rows = pd.concat([table(seed) for seed in seeds])
    return np.asarray(pipeline["encode"].transform(rows), dtype=np.float64)


@every_target
@every_kind
def test_every_estimator_answers_the_same(fitted, tmp_path, kind, target):
    pipeline = fitted(kind, target)
    # Other seeds have categories that fit did not see, and other gaps.
    matrix = matrix_of(pipeline, 0, 1, 2)
    gaps = np.random.default_rng(3).random(matrix.shape) < 0.3
    own = range(2, matrix.shape[1])  # of a category "missing" is a number
    matrix[:, own] = np.where(gaps, np.nan, matrix)[:, own]
    assert_same(pipeline[1:], matrix, tmp_path)


@every_target
@every_kind
def test_values_a_tiny_step_beside_a_threshold_go_the_same_way(fitted, tmp_path, kind, target):
    pipeline = fitted(kind, target)
    matrix = matrix_of(pipeline, 0)
    steps = [matrix]
    for to in (-np.inf, np.inf):
        steps += [np.nextafter(matrix, to), np.nextafter(matrix.astype(np.float32), np.float32(to))]
    steps += [np.nextafter(thresholds(pipeline, matrix), to) for to in (-np.inf, 0, np.inf)]
    steps += [thresholds(pipeline, matrix)]
    number_of_categories = 2
    whole = np.vstack(steps).astype(np.float64)
    whole[:, :number_of_categories] = np.resize(matrix[:, :number_of_categories], (len(whole), 2))
    assert_same(pipeline[1:], whole, tmp_path)


def thresholds(pipeline, matrix):
    """Return rows that hold, in the columns after the categories, the trees' thresholds themselves."""
    estimator, splits = pipeline["estimator"], []
    if hasattr(estimator, "_predictors"):
        nodes = np.concatenate([tree.nodes for each in estimator._predictors for tree in each])
        splits = nodes["num_threshold"][~nodes["is_leaf"].astype(bool)]
    elif hasattr(estimator, "estimators_"):
        splits = np.concatenate([one.tree_.threshold for one in estimator.estimators_])
    finite = np.asarray(splits)[np.isfinite(splits)]
    return np.resize(finite, matrix.shape) if len(finite) else matrix


@every_target
@every_kind
def test_extreme_numbers_go_the_same_way(fitted, tmp_path, kind, target):
    pipeline = fitted(kind, target)
    values = [0.0, -0.0, 1e-320, 1e30, -1e30, 2.0**24 + 1, 16777217.000001, 1e16, np.nan]
    encoded = matrix_of(pipeline, 0)
    matrix = np.resize(encoded, (50 * len(values), encoded.shape[1]))
    matrix[:, 2:] = np.repeat(values, 50)[:, None]
    matrix[::2, 3] = np.nan
    found = converted(pipeline[1:], matrix.shape[1], tmp_path)(matrix)
    np.testing.assert_allclose(found, outputs(pipeline[1:], matrix), rtol=CLOSE, atol=CLOSE)


@pytest.mark.parametrize("labels", list(LABELS.values()), ids=list(LABELS))
@every_kind
def test_labels_of_every_type(fitted, tmp_path, kind, labels):
    pipeline = fitted(kind, "classes", labels=labels)
    assert len(pipeline.classes_) == len(labels)
    assert_same(pipeline[1:], matrix_of(pipeline, 0, 1), tmp_path)


@pytest.mark.parametrize(
    ("target", "kind", "more"),
    [
        ("binary", "hist_gradient_boosting", "model.params.class_weight=balanced"),
        ("classes", "hist_gradient_boosting", "model.params.class_weight=balanced"),
        ("classes", "hist_gradient_boosting", "model.params.early_stopping=true"),
        ("number", "hist_gradient_boosting", "model.params.early_stopping=true"),
        ("binary", "hist_gradient_boosting", "model.params.max_leaf_nodes=2"),
        ("number", "hist_gradient_boosting", "model.params.max_leaf_nodes=120"),
        ("number", "hist_gradient_boosting", "model.params.interaction_cst=no_interactions"),
        ("binary", "hist_gradient_boosting", "model.params.interaction_cst=pairwise"),
        ("number", "hist_gradient_boosting", "model.params.loss=poisson"),
        ("number", "hist_gradient_boosting", "model.params.loss=gamma"),
        ("number", "hist_gradient_boosting", "model.params.loss=absolute_error"),
        (
            "number",
            "hist_gradient_boosting",
            "model.params.loss=quantile model.params.quantile=0.9",
        ),
        ("number", "hist_gradient_boosting", "model.params.max_bins=5"),
        ("binary", "hist_gradient_boosting", "model.params.max_features=0.5"),
        ("binary", "random_forest", "model.params.class_weight=balanced_subsample"),
        ("classes", "random_forest", "model.params.class_weight=balanced"),
        ("classes", "random_forest", "model.params.bootstrap=false model.params.max_features=1"),
        ("classes", "random_forest", "model.params.criterion=entropy model.params.max_depth=1"),
        ("number", "random_forest", "model.params.criterion=poisson"),
        (
            "number",
            "random_forest",
            "model.params.criterion=absolute_error model.params.max_depth=3",
        ),
        ("number", "random_forest", "model.params.max_leaf_nodes=30 model.params.ccp_alpha=0.01"),
        ("binary", "linear", "model.params.class_weight=balanced model.params.C=1e-5"),
        ("classes", "linear", "model.params.fit_intercept=false"),
        ("number", "linear", "model.params.alpha=1000 model.params.positive=true"),
    ],
)
def test_parameters_of_the_estimators(fitted, tmp_path, target, kind, more):
    pipeline = fitted(kind, target, more)
    assert_same(pipeline[1:], matrix_of(pipeline, 0, 1), tmp_path)


@pytest.mark.parametrize(
    "target",
    [
        1e8 + np.arange(ROWS) % 7,  # far from zero, with a small spread
        np.r_[1e12, np.random.default_rng(0).normal(size=ROWS - 1)],  # one of them is far out
        -1e-9 * (np.arange(ROWS) % 11),
    ],
    ids=["offset", "outlier", "tiny"],
)
@every_kind
def test_targets_that_float32_would_ruin(settings, tmp_path, kind, target):
    config = settings(f"task=regression validation.metric=mae model.kind={kind} {QUICK[kind]}")
    pipeline = model.build(config, COLUMNS, table(), target).fit(table(), target)
    matrix = matrix_of(pipeline, 0)
    assert_same(pipeline[1:], matrix, tmp_path)
    # Each row by itself, too: an outlier must not hide the others' differences.
    found = load_form(tmp_path / "model.onnx")(matrix)
    np.testing.assert_allclose(found, outputs(pipeline[1:], matrix), rtol=1e-5, atol=1e-11)


@pytest.mark.parametrize(
    ("estimator", "target"),
    [
        (HistGradientBoostingClassifier(max_iter=1, max_depth=1), np.arange(80) % 2),
        (HistGradientBoostingRegressor(max_iter=2, min_samples_leaf=1000), np.arange(80.0)),
        (HistGradientBoostingRegressor(max_iter=2, categorical_features=[0]), np.arange(80.0) % 9),
    ],
)
def test_small_trees_on_one_column(tmp_path, estimator, target):
    numbers = np.r_[np.arange(79.0) % 9, np.nan].reshape(-1, 1)
    pipeline = make_pipeline(estimator).fit(numbers, target)
    # With categories, 9 and 3.5 are numbers that fit did not see.
    assert_same(pipeline, np.r_[numbers, [[9.0], [3.5], [np.nan], [-0.0]]], tmp_path)


class TestWhatCannotBeConverted:
    """A part without an exact ONNX form raises, and the export falls back to skops for this reason."""

    NUMBERS = np.arange(80.0).reshape(40, 2)

    def refusal(self, folder, pipeline):
        with pytest.raises(NotImplementedError) as caught:
            converted(pipeline.fit(self.NUMBERS, np.arange(40.0) % 3), 2, folder)
        return str(caught.value)

    def test_categories_behind_numbers(self, tmp_path):
        boosting = HistGradientBoostingRegressor(max_iter=2, categorical_features=[1])
        reason = self.refusal(tmp_path, make_pipeline(boosting))
        assert reason == "categorical columns after others"

    def test_an_imputer_of_other_values(self, tmp_path):
        fill = SimpleImputer(missing_values=3.0)
        reason = self.refusal(
            tmp_path, make_pipeline(fill, HistGradientBoostingRegressor(max_iter=1))
        )
        assert reason == "SimpleImputer of 3.0"

    def test_an_imputer_that_drops_columns(self, tmp_path):
        rows = np.c_[np.full(40, np.nan), np.arange(40.0)]
        pipeline = make_pipeline(SimpleImputer(), HistGradientBoostingRegressor(max_iter=1))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            pipeline.fit(rows, np.arange(40.0) % 3)
        with pytest.raises(NotImplementedError, match="drops empty columns"):
            converted(pipeline, 2, tmp_path)


@pytest.mark.parametrize("strategy", ["mean", "median", "most_frequent", "constant"])
@pytest.mark.parametrize("indicator", [True, False])
def test_imputers_behind_a_choice_of_columns(tmp_path, strategy, indicator):
    numbers = np.random.default_rng(0).normal(size=(60, 3)) + 1e7
    numbers[::5, 0] = numbers[::7, 2] = np.nan
    fill = SimpleImputer(strategy=strategy, add_indicator=indicator, fill_value=None)
    prepare = ColumnTransformer([("some", fill, [0, 2]), ("rest", "passthrough", [1])])
    pipeline = make_pipeline(prepare, HistGradientBoostingRegressor(max_iter=5))
    pipeline.fit(numbers, numbers[:, 1])
    numbers[::3, 2] = np.nan
    assert_same(pipeline, numbers, tmp_path)
