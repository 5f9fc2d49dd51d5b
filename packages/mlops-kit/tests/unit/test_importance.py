"""Feature importance of models whose dependence is known."""

import numpy as np
import pandas as pd
import pytest
from sklearn.inspection import permutation_importance
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from mlops_kit.data import Columns
from mlops_kit.experiments.report import importance

KINDS = {"size": "numeric", "open": "boolean", "town": "categorical", "day": "date"}
COLUMNS = Columns(KINDS)


def rows():
    draw = np.random.default_rng(0)
    size = draw.uniform(0, 100, 400)
    size[::7] = np.nan
    return pd.DataFrame(
        {
            "size": size,
            "open": draw.choice([0.0, 1.0, np.nan], 400),
            "town": np.where(draw.random(400) < 0.1, None, draw.choice(["<b>", "b"], 400)),
            "day": pd.date_range("2020-01-01", periods=400).where(draw.random(400) < 0.9),
        }
    ).astype({"town": object})


class Known:
    """Predicts 3 · size + 10 · open."""

    def fit(self, rows, target):
        """permutation_importance asks for it."""

    def predict(self, rows):
        return 3 * rows["size"].fillna(0) + 10 * rows["open"].fillna(0)

    def score(self, rows, target):
        return 1 - np.abs(self.predict(rows) - target).mean() / 100


class OfClasses(Known):
    """The same as probabilities of four classes, of which two never vary."""

    classes_ = np.array(["a", "b", "c", "d"])

    def predict_proba(self, rows):
        share = rows["size"].fillna(0) / 200
        still = np.full(len(rows), 0.25)
        return np.column_stack([share, still, still, 0.5 - share])


def dependence(model, name):
    return importance.dependence(model, COLUMNS, rows(), "price", name)


def test_a_line_is_found_again():
    found = dependence(Known(), "size")
    assert len(found.points) == len(found.positions) == 15
    assert (found.positions[0], found.positions[-1]) == (0, 1)
    means = np.array(found.curves["price"])
    slope = np.diff(means) / np.diff(np.array(found.points, dtype=float))
    assert slope == pytest.approx(3, rel=0.01)


def test_what_has_no_order_has_values_and_no_positions():
    found = dependence(Known(), "open")
    assert (sorted(found.points), found.positions) == (["false", "true"], [])
    of = dict(zip(found.points, found.curves["price"]))
    assert of["true"] - of["false"] == pytest.approx(10)
    assert sorted(dependence(Known(), "town").points) == ["<b>", "b"]


def test_what_does_not_matter_is_flat_also_over_dates_with_gaps():
    found = dependence(Known(), "day")
    assert found.points[0].startswith("2020-01-")
    assert found.positions == sorted(found.positions)
    assert np.ptp(found.curves["price"]) == pytest.approx(0)


def test_classes_have_a_curve_each_and_of_two_the_second_is_enough():
    found = dependence(OfClasses(), "size")
    assert list(found.curves) == ["a", "b", "c", "d"]
    assert found.curves["a"] == sorted(found.curves["a"])
    assert np.sum(list(found.curves.values()), axis=0) == pytest.approx(1)
    two = type("Two", (OfClasses,), {"classes_": np.array([0, 1])})()
    assert list(dependence(two, "size").curves) == ["1"]


@pytest.mark.parametrize("model", [Known(), OfClasses()])
def test_rows_count_in_dependence_by_their_weight(model):
    every = rows()
    part = (every["size"] > 50).to_numpy()
    weighed = importance.dependence(
        model, COLUMNS, every[::2], "price", "open", 7.0 * part[::2]
    ).curves
    chosen = importance.dependence(model, COLUMNS, every[::2][part[::2]], "price", "open").curves
    for label, means in chosen.items():
        assert weighed[label] == pytest.approx(means)
    none = importance.dependence(model, COLUMNS, every, "price", "open", np.zeros(400))
    assert none == importance.dependence(model, COLUMNS, every, "price", "open")


def test_a_column_without_values_has_no_points():
    empty = rows().assign(size=np.nan)
    found = importance.dependence(Known(), COLUMNS, empty, "price", "size")
    assert found == importance.Dependence("size", [], [], {})


def test_importance_is_in_order_and_nothing_for_what_is_not_used():
    every = rows()
    found = importance.importances(Known(), every, Known().predict(every).to_numpy())
    assert [each.column for each in found[:2]] == ["size", "open"]
    assert {each.mean for each in found[2:]} == {0.0}


@pytest.mark.parametrize("at_once", [1, 50_000])
@pytest.mark.parametrize(
    ("estimator", "target"),
    [
        (DecisionTreeClassifier(max_depth=3, random_state=0), "classes"),
        (DecisionTreeRegressor(max_depth=3, random_state=0), "numbers"),
    ],
)
def test_importance_is_what_scikit_learns_own_function_finds(
    estimator, target, at_once, monkeypatch
):
    monkeypatch.setattr(importance, "_ROWS_A_CALL", at_once)
    every = rows().drop(columns=["town", "day"]).assign(other=np.arange(400.0))
    numbers = Known().predict(every).to_numpy()
    truth = np.where(numbers > 150, "high", "low") if target == "classes" else numbers
    fitted = estimator.fit(every.fillna(-1), truth)
    found = importance.importances(fitted, every.fillna(-1), truth)
    expected = permutation_importance(fitted, every.fillna(-1), truth, n_repeats=5, random_state=0)
    by_name = dict(zip(every.columns, zip(expected.importances_mean, expected.importances_std)))
    assert {each.column: (each.mean, each.spread) for each in found} == by_name
