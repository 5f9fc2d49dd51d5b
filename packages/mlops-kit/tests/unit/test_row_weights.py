"""Weights of rows and of classes: their sources, their use in a fit, and refusals."""

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.neighbors import KNeighborsClassifier

from mlops_kit import data
from mlops_kit.core.errors import UserError
from mlops_kit.core.project import current
from mlops_kit.core.trusted_types import trusted_types
from mlops_kit.data import Columns
from mlops_kit.experiments import pipeline as model
from mlops_kit.experiments import training

pytestmark = pytest.mark.usefixtures("checkout")

ROWS = 300
COLUMNS = Columns({"a": "numeric", "b": "numeric"})
EACH = [(kind, task) for kind, tasks in current().estimators.items() for task in tasks]
CLASSIFIERS = [kind for kind, task in EACH if task == "classification"]
# In a tree whose leaves are pure weights make no difference.
GENERAL = {"random_forest": "model.params.min_samples_leaf=20 model.params.n_estimators=20"}
every_estimator = pytest.mark.parametrize(("kind", "task"), EACH)
every_classifier = pytest.mark.parametrize("kind", CLASSIFIERS)


def table(**columns):
    draw = np.random.default_rng(0)
    rows = pd.DataFrame({"a": draw.normal(size=ROWS), "b": draw.normal(size=ROWS)})
    rows["y"] = (rows["a"] + draw.normal(size=ROWS) > 1).astype(int)
    return rows.assign(**{"w": draw.integers(1, 5, ROWS), **columns})


def load(rows, settings, overrides="data.weight=w"):
    rows.to_csv("data.csv", index=False)
    return data.load(settings(overrides))


def fitted(settings, kind, target, weights=None, more="", task="classification"):
    metric = "mae" if task == "regression" else "accuracy"
    config = settings(
        f"task={task} validation.metric={metric} model.kind={kind} {GENERAL.get(kind, '')} {more}"
    )
    rows = table()[["a", "b"]]
    pipeline = model.build(config, COLUMNS, rows, target)
    return model.fit(pipeline, COLUMNS, rows, target, weights)


# --- data.weight ----------------------------------------------------------------------------------


def test_weights_follow_their_rows_and_are_no_feature(settings):
    rows = table()
    for more in ("", " data.drop=[w]", " split.by=group split.column=b"):
        found = load(rows, settings, f"data.weight=w{more}")
        assert "w" not in found.columns.kinds
        for part, weights in (
            (found.train_rows, found.train_weights),
            (found.test_rows, found.test_weights),
        ):
            wanted = rows.set_index("a").loc[part["a"], "w"]
            np.testing.assert_array_equal(weights, wanted)
    assert training.describe(found).endswith("; rows count by w")
    assert load(rows, settings, "").train_weights is None


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([1, None], "data.weight 'w' lacks a number in row 2; accepted: numbers, 0 or more"),
        ([1, "inf"], "data.weight 'w' lacks a number in row 2; accepted: numbers, 0 or more"),
        ([1, -0.5], "data.weight 'w' holds -0.5 in row 2; accepted: numbers, 0 or more"),
        (["much", "little"], "data.weight 'w' is categorical; accepted: a column of numbers"),
        ([0, 0], "data.weight 'w' is 0 in every row of class"),
    ],
)
def test_what_is_no_weight_is_refused(settings, values, message):
    with pytest.raises(UserError) as caught:
        load(table(w=np.resize(np.array(values, dtype=object), ROWS)), settings)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("data.weight=y", "data.weight names the target 'y'"),
        ("data.weight=ww", "data.weight names 'ww', which is no column of data.csv (did you mean"),
        ("data.weight=w data.keep=[w]", "data.keep names 'w', which is data.weight and so no feat"),
    ],
)
def test_names_that_do_not_fit_are_refused(settings, given, message):
    with pytest.raises(UserError) as caught:
        load(table(), settings, given)
    assert str(caught.value).startswith(message)


@every_estimator
def test_every_kind_is_fitted_with_weights(settings, kind, task):
    target = table()["y"].to_numpy() * (1.0 if task == "regression" else 1)
    weights = np.where(target == 1, 20.0, 1.0)
    predicted = [
        fitted(settings, kind, target, each, task=task).predict(table()[["a", "b"]]).mean()
        for each in (np.ones(ROWS), weights)
    ]
    assert predicted[1] > predicted[0] + 0.03


def test_a_kind_that_takes_no_weights_is_refused(settings, monkeypatch):
    monkeypatch.setitem(current().estimators, "near", {"classification": KNeighborsClassifier})
    part = COLUMNS, table()[["a", "b"]], table()["y"].to_numpy()
    with pytest.raises(UserError, match=r"^model.kind near takes no weights .* data.weight 'w'"):
        model.build(settings("model.kind=near data.weight=w"), *part)
    assert model.build(settings("model.kind=near"), *part)


# --- class_weight ---------------------------------------------------------------------------------


@every_classifier
@pytest.mark.parametrize(
    ("labels", "given"),
    [
        ([0, 1], "{0: 1, 1: 50}"),
        ([1, 2], "{1: 1, 2: 50}"),
        ([1, 0], "{0: 50}"),
        ([False, True], "{true: 50}"),
        (["no", "yes"], "{'yes': 50}"),
        (["a", "b"], "{b: 50.0, a: 1}"),
        ([7, 3], '{"3": 50}'),
    ],
)
def test_class_weight_takes_the_names_of_classes(settings, kind, labels, given):
    places = table()["y"].to_numpy()
    target = np.array(labels, dtype=object if isinstance(labels[0], str) else None)[places]
    quoted = f'"model.params.class_weight={given}"'.replace('"3"', '\\"3\\"')
    plain, heavy = (fitted(settings, kind, target, more=more) for more in ("", quoted))
    by_rows = fitted(settings, kind, target, np.where(places == 1, 50.0, 1.0))
    rows, column = table()[["a", "b"]], list(plain.classes_).index(labels[1])
    shares = [each.predict_proba(rows)[:, column].mean() for each in (plain, heavy, by_rows)]
    assert shares[1] == pytest.approx(shares[2])
    assert shares[1] > shares[0] + 0.02
    assert set(heavy[-1].class_weight)  # a fitted estimator has the parameter that it was given
    skops.io.loads(skops.io.dumps(heavy), trusted=trusted_types())


@every_classifier
def test_class_weight_balanced_is_scikit_learns(settings, kind):
    target = table()["y"].to_numpy()
    plain, balanced = (
        fitted(settings, kind, target, more=more).predict_proba(table()[["a", "b"]])[:, 1].mean()
        for more in ("", "model.params.class_weight=balanced")
    )
    assert balanced > plain


@every_classifier
@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("{maybe: 2}", "names 'maybe', which is no class of the target; accepted: no, yes"),
        (
            "{yes: 2}",
            "names True, which is no class .* no, yes \\(quote yes and no, which are true",
        ),
        ("{'yes': -1}", "has -1 for 'yes'; accepted: numbers, 0 or more"),
        ("{'yes': much}", "has 'much' for 'yes'; accepted: numbers, 0 or more"),
    ],
)
def test_class_weight_that_fits_no_class_is_refused(settings, kind, given, message):
    target = np.array(["no", "yes"], dtype=object)[table()["y"]]
    with pytest.raises(UserError, match=f"^model.params.class_weight {message}"):
        fitted(settings, kind, target, more=f'"model.params.class_weight={given}"')
