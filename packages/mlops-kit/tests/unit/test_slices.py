"""Slices: the groups of rows, and the worst of them."""

import numpy as np
import pandas as pd
import pytest

from mlops_kit.core.errors import UserError
from mlops_kit.experiments import slices
from mlops_kit.experiments.predictions import Predictions

ROWS = pd.DataFrame(
    {
        "region": ["north"] * 40 + ["south"] * 40 + ["east"] * 5 + [None] * 15,
        "age": np.arange(100) / 10,
        "born": pd.date_range("2019-01-01", periods=100, freq="W"),
        "name": [f"name {number}" for number in range(100)],
    }
).astype({"region": object, "name": object})


def right_but(wrong):
    """Return predictions that are right but in the rows `wrong`."""
    truth = np.zeros(100, dtype=int)
    predicted = truth.copy()
    predicted[wrong] = 1
    return Predictions(truth, predicted, np.eye(2)[predicted])


@pytest.mark.usefixtures("checkout")
def test_the_column_must_be_a_feature(settings):
    given = "'validation.slices={{column: {}, metric: accuracy, worst: 0}}'".format
    slices.check(settings(), ROWS)
    slices.check(settings(given("age")), ROWS)
    with pytest.raises(UserError, match=r"^validation.slices.column is 'kk', which is no feature"):
        slices.check(settings(given("kk")), ROWS)


def test_groups_are_values_quarters_and_years_with_enough_rows():
    of = {
        column: slices.of_column("accuracy", ROWS, column, right_but([]), 10)
        for column in ROWS.columns[:3]
    }
    assert {each.group: each.rows for each in of["region"]} == {
        "north": 40,
        "south": 40,
        "missing": 15,
    }
    quarters = ["0 to 2.475", "2.475 to 4.95", "4.95 to 7.425", "7.425 to 9.9"]
    assert sorted(each.group for each in of["age"]) == quarters
    assert [each.group for each in of["born"]] == ["2019", "2020"]


def test_the_worst_group_comes_first_with_its_interval():
    found = slices.worst("accuracy", ROWS, right_but(range(40, 50)), 0.9, 0)
    first = found["worst"][0]
    assert (first["column"], first["group"], first["rows"]) == ("age", "2.475 to 4.95", 25)
    assert first["value"] == pytest.approx(0.6)
    assert first["lower"] < 0.6 < first["upper"]
    values = [each["value"] for each in found["worst"]]
    assert values == sorted(values)
    assert found["groups"] == 2 + 4 + 2  # no group of `name` has 20 rows


def test_the_groups_of_a_column_are_found_twice_at_most(monkeypatch):
    asked, cut = [], pd.qcut
    monkeypatch.setattr(
        pd, "qcut", lambda of, *more, **keys: asked.append(of.name) or cut(of, *more, **keys)
    )
    assert len(slices.worst("accuracy", ROWS[["age"]], right_but([]), 0.9, 0)["worst"]) == 4
    assert asked == ["age", "age"]


def test_of_an_error_the_largest_is_the_worst():
    numbers = Predictions(np.zeros(100), np.r_[np.full(40, 1.0), np.full(60, 3.0)])
    found = slices.worst("mae", ROWS[["region"]], numbers, 0.9, 0)
    assert [(each["group"], each["value"]) for each in found["worst"]] == [
        ("south", 3.0),
        ("north", 1.0),
    ]


def test_a_metric_that_no_group_defines_has_no_worst_one():
    found = slices.worst("roc_auc", ROWS, right_but([]), 0.9, 0)
    assert (found["groups"], found["worst"]) == (0, [])


def test_groups_of_one_name_are_reported_apart():
    rows = ROWS[["region"]].replace("south", "missing")
    found = slices.worst("accuracy", rows, right_but(range(85, 100)), 0.9, 0, min_rows=10)
    named = {(each["group"], each["rows"], each["upper"]) for each in found["worst"]}
    assert named == {("missing", 15, 0.0), ("missing", 40, 1.0), ("north", 40, 1.0)}
