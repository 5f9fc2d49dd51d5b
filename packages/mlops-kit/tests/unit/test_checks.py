"""What is refused before anything is fitted, and what must not be."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mlops_kit import data
from mlops_kit.core.errors import UserError
from mlops_kit.data import sources

pytestmark = pytest.mark.usefixtures("checkout")

ROWS = 200
REGRESSION = "task=regression validation.metric=mae"


def frame(rows=ROWS, seed=0, **columns):
    """Unrelated features `a` and `k` and a target `y` of two classes, with `columns` over them."""
    generator = np.random.default_rng(seed)
    base = {
        "a": generator.normal(size=rows),
        "k": generator.choice(["red", "green", "blue"], rows),
        "y": generator.integers(0, 2, rows),
    }
    return pd.DataFrame({**base, **columns})


def load(rows, settings, overrides=""):
    rows.to_csv("data.csv", index=False)
    return data.load(settings(overrides))


def refused(rows, settings, overrides=""):
    with pytest.raises(UserError) as caught:
        load(rows, settings, overrides)
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert "np." not in sentence
    return sentence


# --- names ----------------------------------------------------------------------------------------


def test_a_missing_target_is_told_with_the_closest_columns(settings):
    rows = frame(churned=1, churn_date=2)
    sentence = refused(rows, settings, "data.target=churn")
    assert sentence.startswith("data.target 'churn' is no column of data.csv (did you mean 'churn")
    assert "'churned'" in sentence
    assert sentence.endswith("its columns: a, k, y, churned, churn_date")


@pytest.mark.parametrize("key", ["drop", "keep", "categorical"])
def test_a_listed_column_that_is_not_there_is_told_with_the_closest(settings, key):
    sentence = refused(frame(), settings, f"data.{key}=[kk]")
    assert sentence == (
        f"data.{key} names 'kk', which is no column of data.csv (did you mean 'k'?)"
    )


def test_a_date_column_that_is_not_there_is_told(settings):
    assert "data.dates names 'when'" in refused(frame(), settings, "'data.dates={when: \"%Y\"}'")


def test_the_target_cannot_be_dropped(settings):
    assert refused(frame(), settings, "data.drop=[y]") == "data.drop names the target 'y'"


def test_a_column_must_be_left_to_predict_from(settings):
    sentence = refused(frame(), settings, "data.drop=[a,k]")
    assert sentence == "data.csv has no column left to predict 'y' from"


# --- the target -----------------------------------------------------------------------------------


def test_missing_target_values_are_counted(settings):
    rows = frame()
    rows["y"] = rows["y"].where(~rows.index.isin([3, 7]))
    sentence = refused(rows, settings)
    assert sentence == (
        "target 'y' is missing in 2 of 200 rows, the first is row 4: remove these rows"
    )


@pytest.mark.parametrize(("only", "shown"), [(1, "1"), ("no", "'no'"), (True, "True")])
def test_one_class_only_is_told(settings, only, shown):
    sentence = refused(frame(y=only), settings)
    assert sentence == f"target 'y' has one class only, {shown}: two or more are needed"


def test_fractions_are_no_classes(settings):
    sentence = refused(frame(y=np.arange(ROWS) / 4), settings)
    assert sentence == "target 'y' holds fractions like 0.25: task: regression fits such a target"


def test_a_number_that_no_integer_holds_is_no_class(settings):
    labels = np.array([2**63, 2**63 + 1], dtype=np.uint64)[np.arange(ROWS) % 2]
    sentence = refused(frame(y=labels), settings)
    assert sentence == (
        f"target 'y' holds {2**63 + 1}, too large a number for a class: make the classes texts"
    )


def test_a_different_value_in_most_rows_is_no_class(settings):
    sentence = refused(frame(y=np.arange(ROWS)), settings)
    assert "200 distinct values in 200 rows, too many for classes" in sentence


def test_a_text_in_a_regression_target_is_told_with_its_row(settings):
    target = [str(i) for i in range(ROWS)]
    target[5] = "many"
    sentence = refused(frame(y=target), settings, REGRESSION)
    assert sentence == ("target 'y' holds 'many' in row 6; task: regression takes finite numbers")


def test_an_infinite_regression_target_is_told_with_its_row(settings):
    target = np.arange(ROWS, dtype=float)
    target[5] = np.inf
    sentence = refused(frame(y=target), settings, REGRESSION)
    assert sentence == "target 'y' holds inf in row 6; task: regression takes finite numbers"


def test_a_regression_target_that_never_varies_is_told(settings):
    assert refused(frame(y=3.5), settings, REGRESSION) == "target 'y' is 3.5 in every row"


def test_a_date_is_no_regression_target(settings):
    frame(y=pd.date_range("2026-01-01", periods=ROWS)).to_parquet("data.parquet")
    with pytest.raises(UserError, match="target 'y' holds '2026-01-01 00:00:00' in row 1"):
        data.load(settings(f"data.source=data.parquet {REGRESSION}"))


@pytest.mark.parametrize(
    ("labels", "dtype"),
    [([0, 1], "int64"), ([1.0, 2.0], "int64"), ([True, False], "bool"), (["b", "a"], "object")],
)
def test_classes_keep_their_type(settings, labels, dtype):
    target = load(frame(y=labels * (ROWS // 2)), settings).train_target
    assert target.dtype == dtype
    assert set(target) == set(labels)


# --- the features ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        (7, "7.0 in every row"),
        ("same", "'same' in every row"),
        (True, "1.0 in every row"),
        ("2026-11-23", "'2026-11-23 00:00:00' in every row"),
        (None, "empty"),
    ],
)
def test_a_constant_column_is_told_and_may_be_kept(settings, values, shown):
    rows = frame(c=values)
    sentence = refused(rows, settings)
    assert sentence == (
        f"data.csv: column 'c' is {shown}: add it to data.drop (or to data.keep, if it must stay)"
    )
    assert "c" in load(rows, settings, "data.keep=[c]").columns.kinds
    assert "c" not in load(rows, settings, "data.drop=[c]").columns.kinds


def test_one_value_beside_missing_ones_is_not_constant(settings):
    rows = frame(c=np.where(np.arange(ROWS) % 3 == 0, "given", None))
    assert load(rows, settings).columns.kinds["c"] == "categorical"


@pytest.mark.parametrize("column", ["a", "k"])
def test_a_copy_of_a_column_is_told_and_may_be_kept(settings, column):
    rows = frame()
    rows["copy"] = rows[column]
    sentence = refused(rows, settings)
    assert f"columns {column!r} and 'copy' hold the same values: add one to data.drop" in sentence
    assert "copy" in load(rows, settings, "data.keep=[copy]").columns.kinds


def test_every_copy_of_a_column_is_told(settings):
    rows = frame()
    rows["b"] = rows["c"] = rows["a"]
    sentence = refused(rows, settings)
    assert "columns 'a' and 'b'" in sentence
    assert "columns 'a' and 'c'" in sentence


def _leaks():
    target = frame()["y"].to_numpy()
    noise = np.random.default_rng(1).uniform(size=ROWS)
    return {
        "a text for each class": np.where(target == 1, "left", "stayed"),
        "a number beyond a threshold": target * 10 + noise,
        "the same downwards": -target * 1e37 - noise,
        "a boolean": target == 1,
        "a date": pd.Timestamp("2026-01-01") + pd.to_timedelta(target * 900 + noise, unit="D"),
        "dates a second apart": pd.Timestamp("2026-01-01") + pd.to_timedelta(target, unit="s"),
        "missing in one class": np.where(target == 1, noise, np.nan),
        "large numbers, one apart": 10**15 + target,
    }


@pytest.mark.parametrize("kind", list(_leaks()))
def test_a_column_that_gives_the_class_away_is_told_and_may_be_kept(settings, kind):
    rows = frame(leak=_leaks()[kind])
    sentence = refused(rows, settings)
    assert sentence.startswith("data.csv: column 'leak' predicts 'y' without a mistake")
    assert "leak" in load(rows, settings, "data.keep=[leak]").columns.kinds


def test_a_leak_of_one_of_three_text_classes_each_is_told(settings):
    classes = np.resize(["low", "mid", "high"], ROWS)
    code = pd.Series(classes).map({"low": 1, "mid": 2, "high": 3})
    assert "column 'leak' predicts 'y'" in refused(frame(y=classes, leak=code), settings)


@pytest.mark.parametrize("leak", [lambda y: y, lambda y: -3 * y + 1, np.exp])
def test_a_column_that_orders_a_regression_target_is_told(settings, leak):
    target = np.random.default_rng(1).normal(size=ROWS)
    sentence = refused(frame(y=target, leak=leak(target)), settings, REGRESSION)
    assert "column 'leak' predicts 'y' without a mistake" in sentence


def test_a_different_text_in_every_row_is_told_and_may_be_kept(settings):
    rows = frame(id=[f"customer-{i}" for i in range(ROWS)])
    sentence = refused(rows, settings)
    assert "column 'id' has a different text in every row, like an identifier" in sentence
    assert "id" in load(rows, settings, "data.keep=[id]").columns.kinds


def test_all_problems_come_in_one_sentence(settings):
    rows = frame(c=1, id=[f"customer-{i}" for i in range(ROWS)])
    rows["copy"] = rows["a"]
    rows["leak"] = rows["y"]
    sentence = refused(rows, settings)
    told = ["column 'c' is 1.0", "column 'id'", "'a' and 'copy'", "column 'leak' predicts"]
    assert [text for text in told if text not in sentence] == []
    assert sentence.count("; ") == 3
    kept = load(rows, settings, "data.keep=[c,id,copy,leak]")
    assert list(kept.columns.kinds) == ["a", "k", "c", "id", "copy", "leak"]


# --- no false alarm -------------------------------------------------------------------------------


@pytest.mark.parametrize("sample", sources.SAMPLES)
def test_the_samples_of_scikit_learn_pass(settings, sample):
    task = REGRESSION if sample == "diabetes" else ""
    found = data.load(settings(f"data.source=sklearn:{sample} data.target=target {task}"))
    assert len(found.train_rows) > len(found.test_rows) > 0


@pytest.mark.parametrize("rarest", [3, 10])
@pytest.mark.parametrize("rows", [20, 60, 400])
def test_unrelated_columns_never_look_like_a_leak(settings, rows, rarest):
    for seed in range(4):
        generator = np.random.default_rng(seed + 100)
        noise = {f"n{i}": generator.normal(size=rows) for i in range(40)}
        flags = {f"f{i}": generator.permutation(np.arange(rows) % 2 == 0) for i in range(3)}
        target = generator.permutation(np.arange(rows) < rarest)
        assert load(frame(rows, seed, y=target, **noise, **flags), settings).train_rows.size


def test_a_regression_target_with_flags_and_categories_passes(settings):
    generator = np.random.default_rng(1)
    rows = frame(y=generator.normal(size=ROWS), flag=generator.random(ROWS) < 0.5)
    kinds = load(rows, settings, REGRESSION).columns.kinds
    assert kinds == {"a": "numeric", "k": "categorical", "flag": "boolean"}


def test_missing_values_are_no_problem(settings):
    rows = frame(n=np.random.default_rng(1).normal(size=ROWS), d="2026-01-01")
    rows["d"] = pd.date_range("2026-01-01", periods=ROWS).strftime("%Y-%m-%d")
    rows["b"] = np.random.default_rng(2).random(ROWS) < 0.5
    some = np.random.default_rng(3).random(rows.shape) < 0.2
    rows = rows.mask(some & (rows.columns != "y"))
    kinds = load(rows, settings).columns.kinds
    assert kinds == {
        "a": "numeric",
        "k": "categorical",
        "n": "numeric",
        "d": "date",
        "b": "boolean",
    }


def test_copies_of_rows_are_no_problem(settings):
    rows = frame()
    assert load(pd.concat([rows, rows.head(5)]), settings).train_rows.size


def test_huge_numbers_are_no_problem_of_the_checks(settings):
    rows = frame(huge=np.random.default_rng(0).normal(size=ROWS) * 1e37)
    assert load(rows, settings).columns.kinds["huge"] == "numeric"


def test_the_digest_is_that_of_the_file(settings):
    import hashlib

    found = load(frame(), settings)
    assert found.digest == hashlib.sha256(Path("data.csv").read_bytes()).hexdigest()


def test_labels_that_differ_only_in_case_or_blanks_are_refused(settings):
    rows = frame(y=["yes", "no", "Yes ", "no"] * (ROWS // 4))
    assert "classes 'yes' and 'Yes', which differ only in case" in refused(rows, settings)


def test_a_column_that_counts_the_rows_is_refused(settings):
    rows = frame(id=np.arange(7, 7 + ROWS))
    assert "column 'id' counts the rows, like an index: add it to data.drop" in refused(
        rows, settings
    )
    load(rows, settings, "data.keep=[id]")
