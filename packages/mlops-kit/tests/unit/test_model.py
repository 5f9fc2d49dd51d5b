"""The pipelines: every kind of estimator on every kind of column."""

import warnings

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import ConvergenceWarning

from mlops_kit.core.errors import UserError
from mlops_kit.core.project import current
from mlops_kit.core.trusted_types import trusted_types
from mlops_kit.data import Columns, Dataset
from mlops_kit.experiments import pipeline as model
from mlops_kit.experiments import training

pytestmark = [
    pytest.mark.usefixtures("checkout"),
    pytest.mark.filterwarnings(f"ignore::{ConvergenceWarning.__module__}.ConvergenceWarning"),
]

ROWS = 120
KINDS = {"n": "numeric", "b": "boolean", "k": "categorical", "d": "date"}
TASKS = ("classification", "regression")
QUICK = {
    "hist_gradient_boosting": "model.params.max_iter=5",
    "random_forest": "model.params.n_estimators=5",
    "linear": "",
}


class NoBins(DummyClassifier):
    """Takes categories, but has no number of bins."""

    def __init__(self, categorical_features=None):
        super().__init__()
        self.categorical_features = categorical_features


def table(names="nbkd", rows=ROWS, seed=0):
    """Rows of every kind, a fifth of each column missing, in the types that data.load gives."""
    generator = np.random.default_rng(seed)
    day = pd.Timestamp("2026-01-01") + pd.to_timedelta(generator.integers(0, 900, rows), unit="D")
    every = pd.DataFrame(
        {
            "n": generator.normal(size=rows),
            "b": generator.random(rows) < 0.5,
            "k": generator.choice(["red", "green", "blue"], rows),
            "d": day.strftime("%Y-%m-%d"),
        }
    )
    gaps = generator.random(every.shape) < 0.2
    rows_of_names = every.astype(object).mask(gaps)[list(names)]
    return columns_of(names).coerce(rows_of_names)


def columns_of(names):
    return Columns({name: KINDS[name] for name in names})


def target_of(rows, task):
    number = np.random.default_rng(1).normal(size=len(rows))
    return number if task == "regression" else np.where(number > 0, "yes", "no").astype(object)


def configured(settings, kind, task="classification", more=""):
    metric = "mae" if task == "regression" else "accuracy"
    return settings(
        f"task={task} validation.metric={metric} model.kind={kind} {QUICK.get(kind, '')} {more}"
    )


def built(config, names="nbkd", rows=None):
    """The unfitted pipeline for rows, by default the table's, and their target."""
    rows = table(names) if rows is None else rows
    return model.build(config, columns_of(names), rows, target_of(rows, config.task))


def fitted(settings, kind, task="classification", names="nbkd", more="", rows=None):
    rows = table(names) if rows is None else rows
    config = configured(settings, kind, task, more)
    return built(config, names, rows).fit(rows, target_of(rows, task))


# An estimator of one's own may do one task only, and need no randomness.
EACH = [(kind, task) for kind, tasks in current().estimators.items() for task in tasks]
CLASSIFIERS = [kind for kind, task in EACH if task == "classification"]
SEEDED = [
    kind
    for kind in CLASSIFIERS
    if "random_state" in current().estimators[kind]["classification"]().get_params()
]
every_estimator = pytest.mark.parametrize(("kind", "task"), EACH)
every_classifier = pytest.mark.parametrize("kind", CLASSIFIERS)
every_task = pytest.mark.parametrize("task", TASKS)


@every_estimator
@pytest.mark.parametrize("names", ["nbkd", "n", "b", "k", "d"])
def test_every_estimator_takes_every_column_with_missing_values(settings, kind, task, names):
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        predicted = fitted(settings, kind, task, names).predict(table(names, seed=5))
    assert len(predicted) == ROWS
    if task == "regression":
        assert np.isfinite(predicted).all()
    else:
        assert set(predicted) <= {"yes", "no"}


@every_estimator
@pytest.mark.parametrize("names", ["nbkd", "n", "k"])
def test_every_pipeline_can_be_stored_with_reviewed_types_alone(settings, kind, task, names):
    pipeline = fitted(settings, kind, task, names)
    loaded = skops.io.loads(skops.io.dumps(pipeline), trusted=trusted_types())
    rows = table(names, seed=5)
    np.testing.assert_array_equal(loaded.predict(rows), pipeline.predict(rows))


@every_estimator
def test_unseen_and_missing_values_can_be_predicted(settings, kind, task):
    pipeline, columns = fitted(settings, kind, task), columns_of("nbkd")
    for row in (
        {"n": 1e9, "b": True, "k": "never seen", "d": "1901-01-01"},
        {"n": None, "b": None, "k": None, "d": None},
        {"n": 5, "b": None, "k": "red", "d": "2040-01-01T12:30"},
    ):
        assert len(pipeline.predict(columns.coerce(pd.DataFrame([row])))) == 1


@every_classifier
def test_a_column_complete_in_training_may_be_missing_later(settings, kind):
    rows = table().assign(n=1.0, k="red")
    rows.loc[::2, ["n", "k"]] = [2.0, "blue"]
    pipeline = fitted(settings, kind, rows=rows)
    gone = columns_of("nbkd").coerce(pd.DataFrame([dict.fromkeys("nbkd")]))
    assert pipeline.predict(gone)[0] in ("yes", "no")


@every_estimator
def test_a_kept_column_without_any_value_does_no_harm(settings, kind, task):
    columns = columns_of("nbkd")
    rows = columns.coerce(table().assign(n=np.nan, d=None, b=None, k=None).astype(object))
    rows["n"] = np.r_[np.arange(ROWS - 60.0), np.full(60, np.nan)]
    pipeline = built(configured(settings, kind, task), rows=rows)
    model.fit(pipeline, columns, rows, target_of(rows, task))
    assert rows[["d", "b", "k"]].isna().all(axis=None)
    assert len(pipeline.predict(rows)) == len(pipeline.predict(table())) == ROWS


@every_task
@pytest.mark.parametrize("values", [0, 1])
def test_nearly_empty_column_is_fitted_where_boosting_samples(settings, task, values):
    """By more than 10,000 rows a tenth is kept from the fit, to stop early."""
    rows, columns = table(rows=10_100), columns_of("nbkd")
    rows.iloc[values:, [0, 1, 3]] = np.nan
    for seed in range(8):
        config = configured(settings, "hist_gradient_boosting", task, f"seed={seed}")
        pipeline = built(config, rows=rows)
        model.fit(pipeline, columns, rows, target_of(rows, task))
        without = pipeline.predict(rows.assign(n=np.nan))
        # No tree splits on so few values, so nothing depends on them.
        np.testing.assert_array_equal(pipeline.predict(rows), without)


@every_task
def test_training_takes_a_part_without_any_value_of_a_column(settings, task):
    rows, columns = table().assign(n=np.nan), columns_of("nbkd")
    target = target_of(rows, task)
    dataset = Dataset(
        columns, rows, target, rows, target, "", np.array([], np.uint64), 0, task, [], []
    )
    fitted_to_it = training._fit(configured(settings, "hist_gradient_boosting", task), dataset)
    assert len(fitted_to_it.predict(table())) == ROWS


def test_few_values_count_where_a_leaf_may_be_as_small(settings):
    rows, columns = table(), columns_of("nbkd")
    rows["n"] = np.r_[np.arange(10.0), np.full(ROWS - 10, np.nan)]
    target = np.where(rows["n"].notna(), "yes", "no").astype(object)
    config = configured(settings, "hist_gradient_boosting", more="model.params.min_samples_leaf=5")
    pipeline = model.fit(built(config, rows=rows), columns, rows, target)
    chances = pipeline.predict_proba(rows)[:, 1]
    assert chances[:10].min() > chances[10:].max()


@every_classifier
@pytest.mark.parametrize(
    "labels", [[0, 1], [3, 7, 9], [False, True], np.array(["no", "yes", "ü"], dtype=object)]
)
def test_classes_of_every_type_come_back(settings, kind, labels):
    rows, target = table(), np.resize(np.array(labels), ROWS)
    pipeline = model.build(configured(settings, kind), columns_of("nbkd"), rows, target)
    pipeline.fit(rows, target)
    assert list(pipeline.classes_) == list(labels)
    assert pipeline.predict_proba(rows).sum(axis=1) == pytest.approx(1)


@every_estimator
def test_more_than_255_categories_are_no_problem(settings, kind, task):
    texts = [f"c{i}" for i in range(700)] + ["often"] * 300 + [np.nan] * 50
    rows = pd.DataFrame({"k": pd.Series(texts, dtype=object)})
    assert len(fitted(settings, kind, task, "k", rows=rows).predict(rows)) == len(rows)


@pytest.mark.parametrize("bins", [2, 3, 16, 255])
def test_fewer_bins_than_categories_are_no_problem(settings, bins):
    pipeline = fitted(settings, "hist_gradient_boosting", more=f"model.params.max_bins={bins}")
    assert len(pipeline.predict(table())) == ROWS


@pytest.mark.parametrize("bins", ["many", "1", "1000", "2.5", "~"])
def test_bins_that_the_estimator_does_not_take_are_refused_by_its_fit(settings, bins):
    with pytest.raises(ValueError, match="max_bins"):
        fitted(settings, "hist_gradient_boosting", more=f"model.params.max_bins={bins}")


@every_estimator
def test_the_same_seed_gives_the_same_predictions(settings, kind, task):
    first, again = (fitted(settings, kind, task, more="seed=3").predict(table()) for _ in "ab")
    np.testing.assert_array_equal(first, again)


def test_another_seed_gives_another_forest(settings):
    rows = table(seed=5)
    first, other = (
        fitted(settings, "random_forest", more=f"seed={seed}").predict_proba(rows)
        for seed in (1, 2)
    )
    assert (first != other).any()


@pytest.mark.parametrize("kind", SEEDED)
def test_seed_is_set_and_a_parameter_overrides_it(settings, kind):
    seeded = built(configured(settings, kind, more="seed=7"), "n")
    assert seeded["estimator"].random_state == 7
    own = configured(settings, kind, more="seed=7 model.params.random_state=8")
    assert built(own, "n")["estimator"].random_state == 8


def test_kind_of_another_task_is_refused_with_the_accepted_ones(settings, monkeypatch):
    monkeypatch.setitem(current().estimators, "own", {"classification": DummyClassifier})
    with pytest.raises(UserError) as caught:
        built(configured(settings, "own", "regression"), "n")
    able = ", ".join(kind for kind, task in EACH if task == "regression")
    assert str(caught.value) == f"model.kind own has no estimator for regression; accepted: {able}"


@pytest.mark.parametrize("kind", ["own", "random_forest"])
def test_an_estimator_that_cannot_take_raw_columns_is_refused(settings, monkeypatch, kind):
    monkeypatch.setitem(current().estimators, "own", {"classification": NoBins})
    raw = (NoBins, RandomForestClassifier)
    monkeypatch.setattr(f"{current().package}.model.TAKES_RAW_COLUMNS", raw)
    missing = {"own": "max_bins", "random_forest": "categorical_features"}[kind]
    name = current().estimators[kind]["classification"].__name__
    with pytest.raises(UserError) as caught:
        built(configured(settings, kind), "n")
    assert str(caught.value) == (
        f"TAKES_RAW_COLUMNS in model.py names {name}, which has no parameter {missing}; accepted: classes with"
        " scikit-learn's categorical_features and max_bins"
    )


def test_parameters_reach_the_estimator(settings):
    config = configured(settings, "random_forest", more="model.params.max_depth=3")
    estimator = built(config, "n")["estimator"]
    assert (estimator.max_depth, estimator.n_estimators) == (3, 5)


def test_unknown_kind_is_refused_with_the_accepted_and_the_closest(settings):
    with pytest.raises(UserError) as caught:
        built(configured(settings, "random_forrest"), "n")
    assert str(caught.value) == (
        f"model.kind is 'random_forrest'; accepted: {', '.join(current().estimators)}"
        " (did you mean 'random_forest'?)"
    )


def test_an_unknown_parameter_is_reported_with_the_closest(settings):
    config = configured(settings, "random_forest", more="model.params.n_estimator=3")
    with pytest.raises(UserError) as caught:
        built(config, "n")
    assert str(caught.value).startswith(
        "model.params.n_estimator is no parameter of RandomForestClassifier"
        " (did you mean 'n_estimators'?); accepted: "
    )


DATES = pd.to_datetime(pd.Series(["1970-01-02T06:00", None]))


def test_dates_become_numbers_by_their_parts():
    every = model.encode.DateParts({"d": list(model.encode.DATE_PARTS), "e": ["month"]})
    parts = every.fit_transform(pd.DataFrame({"d": DATES, "e": DATES}))
    assert parts.dtype == np.float64
    assert parts[0].tolist() == [1.25, 1, 2, 4, 6, 1]
    assert np.isnan(parts[1]).all()


@pytest.mark.parametrize(
    ("dates", "parts"),
    [
        (["2026-01-05", "2026-01-12", None], ["day"]),
        (["2026-01-05", "2026-02-05", None], ["month", "weekday"]),
        (["2026-01-05T08:00", "2026-01-05T09:30"], ["hour"]),
        (["2026-01-05", None], []),
        (["2026-01-05T08:00", "2025-03-07T09:30"], ["month", "day", "weekday", "hour"]),
    ],
)
def test_only_those_parts_of_a_date_are_taken_that_vary(settings, dates, parts):
    rows = columns_of("d").coerce(pd.DataFrame({"d": dates}))
    pipeline = built(configured(settings, "linear"), "d", rows)
    steps = {name: step for name, step, _ in pipeline["encode"].transformers}
    assert steps["date"].parts == {"d": ["days since 1970", *parts]}
