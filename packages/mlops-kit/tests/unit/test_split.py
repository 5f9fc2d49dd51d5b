"""The split by content: stratified, and reproducible."""

import numpy as np
import pandas as pd
import pytest

from mlops_kit.core.errors import UserError
from mlops_kit.data import row_hash, split

pytestmark = pytest.mark.usefixtures("checkout")

REGRESSION = "task=regression validation.metric=mae"


def table(rows=400, seed=0):
    generator = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "a": generator.normal(size=rows),
            "k": generator.choice(["red", "green", None], rows),
            "d": pd.Timestamp("2026-01-01")
            + pd.to_timedelta(generator.integers(0, 900, rows), unit="D"),
        }
    )


def classes(rows=400, seed=0):
    return np.random.default_rng(seed).choice(["a", "b", "c"], rows, p=[0.6, 0.3, 0.1])


def held_out(rows, target, config):
    return split.test_mask(row_hash.of(rows), target, config)


def test_the_number_of_a_row_is_the_one_that_pandas_gives():
    rows = table().assign(**{"": classes()})
    found = row_hash.of(table())._with(rows[""]) + np.uint64(97531)
    rows = rows.assign(k=rows["k"].map(str), d=rows["d"].map(str))
    np.testing.assert_array_equal(found, pd.util.hash_pandas_object(rows, index=False))


def test_the_same_rows_are_held_out_again(settings):
    first = held_out(table(), classes(), settings())
    np.testing.assert_array_equal(first, held_out(table(), classes(), settings()))


@pytest.mark.parametrize("test_size", [0.01, 0.2, 0.5, 0.9])
def test_each_class_gives_its_share(settings, test_size):
    held = held_out(table(), classes(), settings(f"split.test_size={test_size}"))
    for name in "abc":
        of_class = classes() == name
        assert held[of_class].sum() == max(1, round(of_class.sum() * test_size))


@pytest.mark.parametrize("test_size", [0.01, 0.2, 0.9])
def test_regression_holds_out_its_share(settings, test_size):
    target = np.random.default_rng(1).normal(size=400)
    held = held_out(table(), target, settings(f"{REGRESSION} split.test_size={test_size}"))
    assert held.sum() == round(400 * test_size)


@pytest.mark.parametrize("task", ["", REGRESSION])
def test_the_order_of_rows_does_not_matter(settings, task):
    target = classes() if not task else np.random.default_rng(1).normal(size=400)
    held = held_out(table(), target, settings(task))
    order = np.random.default_rng(2).permutation(400)
    again = held_out(table().iloc[order], target[order], settings(task))
    np.testing.assert_array_equal(again, held[order])


def test_copies_stay_on_one_side(settings):
    rows = pd.concat([table(), table().sample(150, replace=True, random_state=0)])
    target = np.r_[classes(), classes()[table().sample(150, replace=True, random_state=0).index]]
    held = held_out(rows.reset_index(drop=True), target, settings())
    sides = rows.assign(target=target, held=held).groupby(
        ["a", "k", "d", "target"], dropna=False, sort=False
    )
    assert (sides["held"].nunique() == 1).all()


def test_another_seed_holds_out_other_rows(settings):
    masks = [held_out(table(), classes(), settings(f"seed={s}")) for s in range(4)]
    shared = [np.mean(masks[i] & masks[j]) for i in range(4) for j in range(i)]
    assert max(shared) < 0.1  # 0.04 by chance, 0.2 were they the same


def test_nearly_every_row_keeps_its_side_when_the_data_grows(settings):
    rows, target = table(2200), classes(2200)
    before = held_out(rows.head(2000), target[:2000], settings())
    after = held_out(rows, target, settings())[:2000]
    assert np.mean(before != after) < 0.03  # a new random split would move 32 %


def test_the_held_out_rows_are_a_fair_sample(settings):
    rows = table(5000)
    held = held_out(rows, classes(5000), settings())
    assert abs(rows["a"][held].mean() - rows["a"][~held].mean()) < 0.15
    assert abs((rows["k"] == "red")[held].mean() - (rows["k"] == "red")[~held].mean()) < 0.08


def test_the_side_of_a_row_is_the_same_on_every_python_and_pandas(settings):
    """These are the test set that was drawn when this was written: keep it so."""
    rows = pd.DataFrame(
        {
            "n": np.arange(20) / 4,
            "k": pd.Series(["red", "blü", np.nan, "4"] * 5, dtype=object),
            "d": (pd.Timestamp("2026-01-01") + pd.to_timedelta(range(20), unit="D")).astype(
                "datetime64[us]"
            ),
        }
    )
    target = np.array([1, 2] * 10, dtype=np.int64)
    assert np.flatnonzero(held_out(rows, target, settings())).tolist() == [1, 2, 8, 11]
    texts = target.astype(str).astype(object)
    assert np.flatnonzero(held_out(rows, texts, settings())).tolist() == [9, 10, 16, 19]


@pytest.mark.parametrize(
    ("target", "shown"), [([0] * 30 + [1] * 2, "1"), (["no"] * 30 + ["yes"] * 2, "'yes'")]
)
def test_too_few_rows_of_a_class_are_reported(settings, target, shown):
    with pytest.raises(UserError) as caught:
        held_out(table(32), np.array(target), settings())
    assert str(caught.value) == (
        f"2 rows of class {shown} are too few for split.test_size 0.2: at least 2 distinct rows"
        " are needed in the training set, and 1 in the test set"
    )


def test_three_rows_of_a_class_are_enough(settings):
    held = held_out(table(33), np.array([0] * 30 + [1] * 3), settings())
    assert held[30:].sum() == 1


def test_a_large_share_needs_rows_left_to_fit_on(settings):
    target = np.array([0] * 300 + [1] * 10)
    with pytest.raises(UserError, match=r"10 rows of class 1 are too few for split.test_size 0.9"):
        held_out(table(310), target, settings("split.test_size=0.9"))


def test_too_few_rows_of_a_regression_are_reported(settings):
    with pytest.raises(UserError, match=r"^2 rows are too few for split"):
        held_out(table(2), np.array([1.0, 2.0]), settings(REGRESSION))


def test_copies_of_few_distinct_rows_are_dealt_one_by_one(settings):
    rows = pd.DataFrame({"a": [1.0, 2.0, 3.0] * 40})
    target = np.array([0, 1] * 60)
    mask = held_out(rows, target, settings())
    assert [mask[target == label].sum() for label in (0, 1)] == [12, 12]
    order = np.random.default_rng(0).permutation(120)
    again = held_out(rows.iloc[order], target[order], settings())
    counts = [
        pd.crosstab(frame["a"], [labels, held])
        for frame, labels, held in (
            (rows, target, mask),
            (rows.iloc[order], target[order], again),
        )
    ]
    np.testing.assert_array_equal(*counts)


def test_strict_refuses_copies_of_few_distinct_rows(settings):
    rows = pd.DataFrame({"a": [1.0, 2.0, 3.0] * 40})
    with pytest.raises(UserError, match="are copies of so few distinct rows"):
        held_out(rows, np.array([0, 0, 0] * 40), settings("data.policy=strict"))


def test_copies_of_few_distinct_rows_go_to_all_folds(settings):
    rows = pd.DataFrame({"a": [1.0, 2.0] * 60})
    place, distinct = split.places(rows, np.array([0, 1] * 60), settings())
    assert set(distinct) == {60}
    assert sorted(np.bincount(place % 3)) == [40, 40, 40]
