"""Drift that is injected is found, and clean windows are left in peace."""

import numpy as np
import pandas as pd
import pytest

from mlops_kit.monitoring import drift
from mlops_kit.monitoring.settings import MonitorConfig

CITIES = [f"city {number}" for number in range(60)]
COLUMNS = [
    *(
        {"name": f"number {n}", "kind": "numeric", "minimum": -4.0, "maximum": 4.0}
        for n in range(6)
    ),
    {"name": "count", "kind": "numeric", "minimum": 0.0, "maximum": 20.0},
    {"name": "region", "kind": "categorical", "categories": ["north", "south", "west"]},
    {"name": "city", "kind": "categorical", "categories": CITIES[:50]},
    {"name": "member", "kind": "boolean"},
    {
        "name": "day",
        "kind": "date",
        "minimum": "2020-01-01T00:00:00",
        "maximum": "2021-01-01T00:00:00",
    },
]
DEFAULT = MonitorConfig()


def drawn(seed, rows):
    """Rows of every kind: numbers that hang together, a rare category that is unseen, missing values."""
    draw = np.random.default_rng(seed)
    common = draw.normal(size=rows)
    frame = pd.DataFrame({f"number {n}": common + draw.normal(size=rows) for n in range(6)})
    frame["count"] = draw.poisson(5, rows).astype(float)
    frame["region"] = draw.choice(["north", "south", "west"], rows, p=[0.6, 0.3, 0.1])
    frame["city"] = draw.choice(CITIES, rows)
    frame["member"] = draw.integers(0, 2, rows).astype(float)
    days = np.datetime64("2020-01-01", "us") + draw.integers(0, 365, rows).astype("timedelta64[D]")
    frame["day"] = days
    return frame.mask(draw.random(frame.shape) < 0.1)


def compared(before, now, config=DEFAULT):
    found = []
    for column in COLUMNS:
        both = (drift.of_values(column, frame[column["name"]]) for frame in (before, now))
        found += drift.compare(column["name"], *both)
    return drift.decide(found, config)


def drifted(*arguments):
    return {(each.column, each.what) for each in compared(*arguments) if each.drifted}


def test_of_clean_windows_hardly_one_trips():
    before, tripped = drawn(0, 2000), 0
    for seed in range(1, 61):
        tripped += bool(drifted(before, drawn(seed, 300)))
    assert tripped <= 2


def test_chance_alone_stays_within_its_share_also_where_distance_does_not_help():
    """Every window with a reference of its own, and any distance counts."""
    strict = MonitorConfig(distance=0, share=0, false_alarms=0.2)
    tripped = sum(
        bool(drifted(drawn(2 * n, 300), drawn(2 * n + 1, 300), strict)) for n in range(60)
    )
    assert 1 <= tripped <= 60 * 0.2 + 8


INJECTED = {
    "number 3": lambda rows: rows["number 3"] + 0.8,
    "number 4": lambda rows: rows["number 4"] * 3,
    "count": lambda rows: rows["count"] + 2,
    "region": lambda rows: rows["region"].replace({"north": "south"}),
    "member": lambda rows: rows["member"].replace({0.0: 1.0}),
    "day": lambda rows: rows["day"] - np.timedelta64(100, "D"),
}


@pytest.mark.parametrize("name", INJECTED)
def test_values_that_move_are_found_and_nothing_else_is(name):
    now = drawn(1, 300)
    now[name] = INJECTED[name](now)
    assert drifted(drawn(0, 2000), now) - {(name, "unseen")} == {(name, "values")}


def test_missing_and_unseen_values_are_found():
    now = drawn(1, 300)
    now.loc[::4, "count"] = np.nan
    now.loc[::3, "city"] = "Atlantis"
    now.loc[::5, "number 1"] = 99.0
    now.loc[::5, "day"] = np.datetime64("9999-12-31")
    found = drifted(drawn(0, 2000), now)
    assert {
        ("count", "missing"),
        ("city", "unseen"),
        ("number 1", "unseen"),
        ("day", "unseen"),
    } <= found
    assert {name for name, _ in found} == {"count", "city", "number 1", "day"}


def of_many_rare(seed, rows, names):
    column = {"kind": "categorical", "categories": [f"part {n}" for n in range(400)]}
    values = np.random.default_rng(seed).choice(names, rows)
    return drift.of_values(column, pd.Series(values, dtype=object))


def test_rare_categories_that_vanish_are_found_and_clean_windows_do_not_trip():
    """400 categories, of which a window of 1,000 rows is expected to hold two or three rows each."""
    names = [f"part {n}" for n in range(400)]
    before = of_many_rare(0, 10_000, names)

    def found(seed, those):
        (only,) = drift.decide(
            drift.compare("part", before, of_many_rare(seed, 1000, those)), DEFAULT
        )
        return only

    assert sum(found(seed, names).drifted for seed in range(1, 61)) <= 2
    half = found(1, names[::2])
    assert (half.drifted, half.distance > 0.25, half.p < 1e-9) == (True, True, True)


def test_cells_of_rare_categories_hold_enough_and_do_not_depend_on_how_the_samples_differ():
    draw, names = np.random.default_rng(0), [f"part {n}" for n in range(300)]
    sums = np.r_[draw.integers(1, 40, 299), 4000.0]
    now = np.round(sums / 5)
    counts = np.column_stack([sums - now, now])
    cells = drift._cells(names, counts)
    expected = sums * counts.sum(axis=0).min() / counts.sum()
    held = np.bincount(cells, weights=expected)
    assert held.min() >= 5
    assert len(held) > held.sum() / 30
    assert (cells == cells[-1]).sum() == 1
    other = draw.permutation(300)
    again = drift._cells([names[place] for place in other], counts[other])
    # The same categories meet, in whatever order they come.
    assert len(set(zip(cells[other], again))) == len(held)
    swapped = drift._cells(names, counts[:, ::-1])
    np.testing.assert_array_equal(swapped, cells)


def test_cells_are_the_same_in_every_process():
    names = [f"part {n}" for n in range(12)] + ["\ud800"]
    cells = drift._cells(names, np.full((13, 2), 2.0))
    assert cells.tolist() == [2, 0, 3, 1, 3, 3, 2, 0, 2, 1, 3, 0, 1]


def test_what_is_significant_but_matters_to_nobody_is_no_drift():
    before, now = drawn(0, 50_000), drawn(1, 50_000)
    now["number 0"] += 0.1
    (found,) = (e for e in compared(before, now) if (e.column, e.what) == ("number 0", "values"))
    assert found.p < 1e-6
    assert found.distance < 0.05
    assert not found.drifted
    assert drifted(before, now, MonitorConfig(distance=0.01)) == {("number 0", "values")}


def test_private_columns_are_compared_by_their_flags():
    column, rows = COLUMNS[8], drawn(0, 2000)
    before = drift.of_values(column, rows["city"])._replace(values=())
    flags = pd.Series(["seen"] * 200 + ["missing"] * 30 + ["unseen"] * 170)
    found = drift.decide(drift.compare("city", before, drift.of_flags(column, flags)), DEFAULT)
    assert {(each.what, each.drifted) for each in found} == {("unseen", True), ("missing", False)}
    unseen = next(each for each in found if each.what == "unseen")
    assert unseen.now == "42.5%"


@pytest.mark.parametrize(
    ("kind", "before", "now", "distance"),
    [
        ("numeric", [1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0, 4.0], 0.0),
        ("numeric", [1.0, 1.0], [2.0, 2.0], 1.0),
        ("numeric", [1.0, 2.0, 3.0, 4.0], [3.0, 4.0, 5.0, 6.0], 0.5),
        ("boolean", [1.0, 1.0, 0.0, 0.0], [1.0, 1.0, 1.0, 1.0], 0.5),
        ("boolean", [1.0, 1.0], [1.0], 0.0),
    ],
)
def test_distance_is_the_share_that_would_have_to_change(kind, before, now, distance):
    column = {"kind": kind, "minimum": 0.0, "maximum": 9.0}
    many = [drift.of_values(column, pd.Series(each * 100)) for each in (before, now)]
    (found,) = drift.compare("x", *many)
    assert found.distance == pytest.approx(distance)
    assert found.p == 1 if distance == 0 else found.p < 1e-6


def test_a_column_without_a_value_has_nothing_to_compare():
    column = {"kind": "numeric", "minimum": None, "maximum": None}
    empty, full = (drift.of_values(column, pd.Series(v)) for v in ([np.nan] * 50, [1.0] * 50))
    assert drift.compare("x", empty, empty)[0].p == 1
    both = drift.decide(drift.compare("x", empty, full), DEFAULT)
    assert {each.what for each in both if each.drifted} == {"missing", "unseen"}
    assert drift.decide([], DEFAULT) == []


def test_answers_of_two_forms_of_one_model_are_alike():
    """Trees predict few distinct numbers, and ONNX predicts them with small differences."""
    before = pd.Series(np.random.default_rng(0).choice([0.1, 0.5, 0.9], 1000))
    other = pd.Series(before.sample(500, random_state=0).to_numpy() + 3e-8)
    assert drift.compare_answers("prediction", before, other).distance < 0.1
    moved = drift.compare_answers("prediction", before, other + 0.01)
    assert moved.distance > 0.3
    one = pd.Series([0.5] * 100)
    assert drift.compare_answers("prediction", one, one + 1e-9).distance == 0


@pytest.mark.parametrize("labels", [[False, True], [3, 5], ["no", "yes"]])
def test_classes_of_any_type_are_compared(labels):
    draw = np.random.default_rng(0)
    before, same = (pd.Series(np.array(labels)[draw.integers(0, 2, n)]) for n in (800, 400))
    assert drift.compare_answers("prediction", before, same).p > 0.01
    other = drift.compare_answers("prediction", before, pd.Series([labels[0]] * 400))
    assert (other.distance > 0.4, other.p < 1e-9) == (True, True)
    assert str(labels[0]) in other.now
