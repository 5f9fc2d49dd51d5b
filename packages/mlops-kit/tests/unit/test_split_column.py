"""Splits by time and by group: the test set, the column as a feature, folds, and refusals."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from mlops_kit import data
from mlops_kit.core.errors import UserError
from mlops_kit.experiments import champion, runs, training
from mlops_kit.experiments.search import rounds

pytestmark = pytest.mark.usefixtures("checkout")

TIME = "split.by=time split.column=day"
GROUP = "split.by=group split.column=customer"


def table(rows=400, seed=0):
    """Rows of 60 customers on 100 days, in no order."""
    draw = np.random.default_rng(seed)
    days = pd.Timestamp("2026-01-01") + pd.to_timedelta(draw.integers(0, 100, rows), unit="D")
    return pd.DataFrame(
        {
            "a": draw.normal(size=rows),
            "day": days.strftime("%d.%m.%Y"),
            "customer": draw.integers(0, 60, rows) + 10**17,
            "y": draw.integers(0, 2, rows),
        }
    )


def load(rows, settings, overrides):
    rows.to_csv("data.csv", index=False)
    return data.load(settings(overrides))


def refused(rows, settings, overrides):
    with pytest.raises(UserError) as caught:
        load(rows, settings, overrides)
    return str(caught.value)


def part_of(rows, found):
    """The rows of the table that a part has, known by their feature `a`."""
    return rows[rows["a"].isin(found["a"])]


# --- which rows ---------------------------------------------------------------------------------


def test_by_time_the_latest_rows_are_held_out(settings):
    rows = table()
    found = load(rows, settings, TIME)
    days = [
        pd.to_datetime(part_of(rows, each)["day"], format="%d.%m.%Y")
        for each in (found.train_rows, found.test_rows)
    ]
    assert days[0].max() < days[1].min()
    assert abs(len(found.test_rows) - 80) <= 4  # a day has some four rows
    assert found.train_units.max() < found.test_units.min() == np.datetime64(days[1].min())


@pytest.mark.parametrize(("share", "held"), [(0.2, 30), (0.5, 60), (0.9, 60), (0.01, 30)])
def test_rows_of_one_time_are_on_one_side_whatever_the_share(settings, share, held):
    rows = table(100).assign(day=np.repeat([2019, 2020, 2021], [40, 30, 30]))
    found = load(rows, settings, f"{TIME} split.test_size={share}")
    assert len(found.test_rows) == held


def test_by_group_all_rows_of_a_value_are_on_one_side(settings):
    rows = table()
    found = load(rows, settings, GROUP)
    fitted, held = (
        set(part_of(rows, each)["customer"]) for each in (found.train_rows, found.test_rows)
    )
    assert len(fitted | held) == 60  # long numbers that differ in the last digit are others
    assert not fitted & held
    assert abs(len(found.test_rows) - 80) <= 8


@pytest.mark.parametrize("by", [TIME, GROUP])
def test_the_order_of_rows_does_not_matter(settings, by):
    first, again = (load(rows, settings, by) for rows in (table(), table().iloc[::-1]))
    assert set(first.test_rows["a"]) == set(again.test_rows["a"])


def test_another_seed_deals_the_groups_anew_and_growth_does_not(settings):
    grown = pd.concat(
        [table(), table(200, seed=1).assign(customer=lambda each: each["customer"] + 60)]
    )
    before, after, other = (
        set(load(rows, settings, f"{GROUP} seed={seed}").test_units)
        for rows, seed in ((table(), 0), (grown, 0), (table(), 1))
    )
    of_both = set(load(table(), settings, GROUP).train_units) | before
    assert len(before ^ (after & of_both)) <= 6
    assert len(before & other) <= 6  # of 12


def test_a_group_larger_than_the_test_set_is_fitted_on(settings):
    rows = table()
    rows.loc[:279, "customer"] = 1
    for seed in range(8):
        found = load(rows, settings, f"{GROUP} seed={seed}")
        assert abs(len(found.test_rows) - 80) <= 8


# --- the column -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("by", "name"), [(TIME, "day"), (f"{TIME} data.drop=[day]", "day"), (GROUP, "customer")]
)
def test_the_column_is_no_feature(settings, by, name):
    found = load(table(), settings, by)
    assert name not in found.columns.kinds
    assert list(found.train_rows) == list(found.columns.kinds)


def test_the_column_is_a_feature_where_it_is_kept(settings):
    assert load(table(), settings, f"{TIME} data.keep=[day]").columns.kinds["day"] == "date"
    kept = load(table(), settings, f"{GROUP} data.keep=[customer]")
    assert kept.columns.kinds["customer"] == "categorical"


def test_the_data_line_tells_how_the_rows_were_split(settings):
    message = training.describe(load(table(), settings, TIME))
    assert "; split by time: the test set begins at 2026-03-2" in message
    held = len(set(load(table(), settings, GROUP).test_units))
    message = training.describe(load(table(), settings, GROUP))
    assert message.endswith(
        f"; split by group: {held} of 60 values of customer are in the test set"
    )


# --- what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(("by", "name"), [(TIME, "day"), (GROUP, "customer")])
def test_a_row_without_a_value_is_refused(settings, by, name):
    rows = table().astype({name: object})
    rows.loc[[4, 9], name] = None
    message = refused(rows, settings, by)
    assert message.startswith(
        f"split.column {name!r} lacks a value in 2 of 400 rows (the first in row 5)"
    )


def test_a_value_may_be_missing_where_the_row_has_no_target(settings):
    rows = table().astype({"y": object, "day": object})
    rows.loc[4, ["day", "y"]] = None
    assert len(load(rows, settings, TIME).train_rows)


@pytest.mark.parametrize("by", [f"{TIME} data.numbers.day=1234.5", GROUP])
def test_one_time_or_group_is_refused(settings, by):
    rows = table().assign(day=2020, customer=7)
    assert "has the same value in every row" in refused(rows, settings, by)


def test_time_has_to_be_dates_or_numbers(settings):
    message = refused(table().assign(day=np.resize(["mon", "tue"], 400)), settings, TIME)
    assert message.startswith(
        "split.column 'day' is categorical and holds 'mon'; split.by time takes"
    )


def test_a_class_that_a_part_lacks_is_refused(settings):
    rows = table().assign(day=range(1000, 1400), y=[0] * 350 + [1] * 50)
    message = refused(rows, settings, TIME)
    assert message.startswith(
        "split.by time of 'day' leaves 0 rows of class 1 in the training set and 50 in"
    )
    rows = table(40).assign(customer=np.repeat([1, 2], 20), y=[0] * 20 + [1] * 20)
    assert "needed: at least 2 and 1; try another seed" in refused(rows, settings, GROUP)


def test_too_few_rows_are_refused(settings):
    rows = table(2).assign(day=[1, 2], y=[1.0, 2.5])
    message = refused(rows, settings, f"{TIME} task=regression validation.metric=mae")
    assert message.startswith("split.by time of 'day' leaves 1 rows in the training set and 1 in")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("split.by=time", "split.column is missing; accepted under split.by time: the column with"),
        ("split.column=a", "split.column is 'a', which split.by content does not look at"),
        ("split.by=group split.column=y", "split.column names the target 'y'"),
        ("split.by=time split.column=dya", "split.column names 'dya', which is no column of"),
        ("split.by=random", "split.by is 'random'; accepted: content, time or group"),
    ],
)
def test_keys_that_do_not_fit_are_refused(settings, given, message):
    assert message in refused(table(), settings, given)


# --- search ---------------------------------------------------------------------------------------


def folds(settings, by, rows=None, count=3):
    dataset = load(table() if rows is None else rows, settings, by)
    return dataset, rounds.part(dataset, settings(by), count)


def test_folds_by_time_are_scored_by_fits_on_earlier_rows(settings):
    dataset, part = folds(settings, TIME)
    for fold in range(3):
        fitted, scored = part.parts(fold)
        assert dataset.train_units[fitted].max() < dataset.train_units[scored].min()
        assert scored.sum() == pytest.approx(len(dataset.train_rows) / 4, abs=8)


def test_folds_by_group_share_no_group(settings):
    dataset, part = folds(settings, GROUP)
    for fold in range(3):
        fitted, scored = part.parts(fold)
        assert not set(dataset.train_units[fitted]) & set(dataset.train_units[scored])
        assert scored.sum() == pytest.approx(len(dataset.train_rows) / 3, abs=8)


@pytest.mark.parametrize("by", [TIME, GROUP])
def test_every_share_of_a_fold_has_every_class(settings, by):
    dataset, part = folds(settings, by)
    for share in (0.001, 0.1, 0.5, 1.0):
        within = part.shares <= share
        assert within.mean() == pytest.approx(share, abs=0.04)
        for fold in range(3):
            for mask in part.parts(fold):
                assert set(dataset.train_target[mask & within]) == {0, 1}
    assert isinstance(rounds.fold_score(part, settings(by), 2, 1.0), float)


def test_folds_that_cannot_be_made_are_refused(settings):
    few = table().assign(customer=np.resize([1, 2, 3, 4], 400), day=np.repeat(range(10), 40))
    with pytest.raises(UserError, match=r"^folds is 9; accepted: at most 3, the values of split"):
        folds(settings, GROUP, few, 9)
    with pytest.raises(UserError, match=r"^folds is 9; accepted: at most 7, the times after the"):
        folds(settings, TIME, few, 9)
    late = table().assign(day=range(400), y=[0] * 200 + [0, 1] * 100)
    with pytest.raises(UserError, match=r"one of these has no row of class 1: try fewer"):
        folds(settings, TIME, late)


# --- the champion ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("by", "known", "expected"),
    [
        ("time", [2.0], [False, False, True]),
        ("group", [1, 3], [False, True, False]),
        ("group", [1.5], None),
        ("group", None, None),
    ],
)
def test_champion_is_compared_on_later_rows_or_other_groups(
    settings, monkeypatch, by, known, expected
):
    config = settings(f"split.by={by} split.column=c")
    monkeypatch.setattr(
        runs, "fitted_units", lambda run: None if known is None else np.array(known)
    )
    units = np.array([1, 2, 3], dtype=float if by == "time" else int)
    dataset = SimpleNamespace(test_units=units, test_rows=range(3))
    for its_config, found in ((config, expected), (settings("split.by=time split.column=z"), None)):
        mask = champion._apart_from(SimpleNamespace(config=its_config), config, dataset)
        assert (None if mask is None else mask.tolist()) == found
