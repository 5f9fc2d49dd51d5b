"""What a model leans on, of models that are known."""

import numpy as np
import pandas as pd
import pytest

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
    """Answers 3 · size + 10 · open, whatever else a row has."""

    def fit(self, rows, target):
        """permutation_importance asks for it."""

    def predict(self, rows):
        return 3 * rows["size"].fillna(0) + 10 * rows["open"].fillna(0)

    def score(self, rows, target):
        return 1 - np.abs(self.predict(rows) - target).mean() / 100


class OfClasses(Known):
    """The same as probabilities of four classes, of which two never move."""

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


def test_a_column_without_values_has_no_points():
    empty = rows().assign(size=np.nan)
    found = importance.dependence(Known(), COLUMNS, empty, "price", "size")
    assert found == importance.Dependence("size", [], [], {})


def test_importance_is_in_order_and_nothing_for_what_is_not_used():
    every = rows()
    found = importance.importances(Known(), every, Known().predict(every).to_numpy())
    assert [each.column for each in found[:2]] == ["size", "open"]
    assert {each.mean for each in found[2:]} == {0.0}
