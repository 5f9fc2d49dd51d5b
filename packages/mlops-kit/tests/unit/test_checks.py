"""Columns and rows that are left out or refused before anything is fitted, and those that must not be."""

import subprocess
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
STRICT = "data.policy=strict"


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


def pasted(sentence):
    """Return the overrides in the line that ends a message, as make passes them on."""
    make = "x:\n\t@printenv SET\n"
    line = sentence[sentence.rindex("SET=") :]
    done = subprocess.run(
        ["sh", "-c", f"make --no-print-directory -f - x {line}"],
        input=make,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


# --- names ----------------------------------------------------------------------------------------


def test_a_missing_target_is_reported_with_the_closest_columns(settings):
    rows = frame(churned=1, churn_date=2)
    sentence = refused(rows, settings, "data.target=churn")
    assert sentence.startswith("data.target 'churn' is no column of data.csv (did you mean 'churn")
    assert "'churned'" in sentence
    assert sentence.endswith("its columns: a, k, y, churned, churn_date")


@pytest.mark.parametrize("key", ["drop", "keep", "categorical"])
def test_missing_listed_column_is_refused_with_the_closest(settings, key):
    sentence = refused(frame(), settings, f"data.{key}=[kk]")
    assert sentence == (
        f"data.{key} names 'kk', which is no column of data.csv (did you mean 'k'?)"
    )


def test_a_date_column_that_is_not_there_is_reported(settings):
    assert "data.dates names 'when'" in refused(frame(), settings, "'data.dates={when: \"%Y\"}'")


def test_the_target_cannot_be_dropped(settings):
    assert refused(frame(), settings, "data.drop=[y]") == "data.drop names the target 'y'"


def test_a_column_must_be_left_to_predict_from(settings):
    sentence = refused(frame(), settings, "data.drop=[a,k]")
    assert sentence == "data.csv has no column left to predict 'y' from"


# --- the target -----------------------------------------------------------------------------------


def without_target(rows, gone):
    rows["y"] = rows["y"].where(~rows.index.isin(gone))
    return rows


def test_rows_without_a_target_are_left_out_and_counted(settings):
    rows = without_target(frame(), [3, 7])
    found = load(rows, settings)
    assert found.left_out == ["2 rows without a target"]
    assert len(found.train_rows) + len(found.test_rows) == ROWS - 2
    assert found.train_target.dtype == "int64"


def test_rows_without_a_target_leave_the_others_on_their_sides(settings):
    texts = np.where(np.arange(ROWS) % 2, "yes", "no")
    rows = without_target(frame(y=texts), [3, 7])
    with_gaps, without = load(rows, settings), load(rows.drop(index=[3, 7]), settings)
    pd.testing.assert_frame_equal(with_gaps.test_rows, without.test_rows)


def test_strict_refuses_rows_without_a_target(settings):
    sentence = refused(without_target(frame(), [3, 7]), settings, STRICT)
    assert sentence.startswith("target 'y' is missing in 2 of 200 rows")
    assert pasted(sentence) == "data.policy=fix"


def test_many_rows_without_target_are_refused_with_the_key(settings):
    rows = without_target(frame(), range(120))
    sentence = refused(rows, settings)
    assert "120 of 200 rows, more than the share" in sentence
    assert load(rows, settings, pasted(sentence)).left_out == ["120 rows without a target"]


def test_a_target_without_any_value_is_reported(settings):
    sentence = refused(frame(y=None), settings, "data.max_left_out=1")
    assert sentence == "target 'y' is missing in every row"


def test_a_class_of_too_few_rows_is_left_out(settings):
    classes = np.resize(["low", "high"], ROWS).astype(object)
    classes[:2] = "once"
    found = load(frame(y=classes), settings)
    assert found.left_out == ["2 rows of classes of too few rows (once)"]
    assert set(found.train_target) == {"low", "high"}
    assert "once" in load(frame(y=np.resize(["low", "once"], ROWS)), settings).train_target


def test_the_fewest_rows_of_a_class_is_a_key(settings):
    classes = np.resize(["low", "high"], ROWS).astype(object)
    classes[:6] = "rare"
    assert load(frame(y=classes), settings).left_out == []
    found = load(frame(y=classes), settings, "data.min_class_rows=7")
    assert found.left_out == ["6 rows of classes of too few rows (rare)"]


def test_strict_refuses_a_class_of_too_few_rows(settings):
    classes = np.resize(["low", "high"], ROWS).astype(object)
    classes[:2] = "once"
    assert "2 rows of class 'once' are too few" in refused(frame(y=classes), settings, STRICT)


@pytest.mark.parametrize(
    ("values", "task"),
    [
        (["yes", "no"], "classification"),
        ([True, False], "classification"),
        ([0, 1], "classification"),
        ([0.0, 1.0], "classification"),
        (range(20), "classification"),  # 200 rows: ten for each
        (range(21), "regression"),
        ([0.5, 1.0], "regression"),
        ([str(i) for i in range(50)], "regression"),
    ],
)
def test_the_target_decides_the_task(settings, values, task):
    rows = frame(y=np.random.default_rng(0).permutation(np.resize(list(values), ROWS)))
    assert load(rows, settings, "task=auto").task == task


@pytest.mark.parametrize(
    ("values", "taken", "other"),
    [
        (range(16), "classes", "regression"),
        ([1.0, 2.0, 7.0], "classes", "regression"),
        (["0", "1", "2"], "classes", "regression"),
        ([0, 1], None, None),
        (["a", "b", "c"], None, None),
        (range(21), None, None),
    ],
)
def test_few_whole_values_are_noted_with_the_other_task(settings, values, taken, other):
    rows = frame(y=np.random.default_rng(0).permutation(np.resize(list(values), ROWS)))
    notes = load(rows, settings, "task=auto").notes
    wanted = f'the {len(values)} whole values of y are {taken}; otherwise: SET="task={other}"'
    assert notes == ([wanted] if taken else [])
    if taken:
        set_by_hand = load(rows, settings, f"task={other} validation.metric=r2")
        assert (set_by_hand.task, set_by_hand.notes) == (other, [])


def test_few_whole_values_that_seldom_come_back_are_noted_as_numbers(settings):
    rows = frame(y=np.resize(range(7), ROWS)).iloc[:60]
    found = load(rows, settings, "task=auto")
    assert found.task == "regression"
    assert (
        'the 7 whole values of y are numbers; otherwise: SET="task=classification"' in found.notes
    )


@pytest.mark.parametrize(("only", "shown"), [(1, "1"), ("no", "'no'"), (True, "True")])
def test_one_class_only_is_reported(settings, only, shown):
    sentence = refused(frame(y=only), settings)
    assert sentence == f"target 'y' has one class only, {shown}: two or more are needed"


def test_fractions_are_no_classes(settings):
    sentence = refused(frame(y=np.arange(ROWS) / 4), settings)
    assert sentence.startswith("target 'y' holds fractions like 0.25")
    assert pasted(sentence) == "task=regression"


def test_a_number_that_no_integer_holds_is_no_class(settings):
    labels = np.array([2**63, 2**63 + 1], dtype=np.uint64)[np.arange(ROWS) % 2]
    sentence = refused(frame(y=labels), settings)
    assert sentence == (
        f"target 'y' holds {2**63 + 1}, too large a number for a class: make the classes texts"
    )


def test_a_different_value_in_most_rows_is_no_class(settings):
    sentence = refused(
        frame(y=np.arange(ROWS)), settings, "data.min_class_rows=1 split.test_size=0.01"
    )
    assert "200 distinct values in 200 rows, too many for classes" in sentence


def test_a_text_in_a_regression_target_is_reported_with_its_row(settings):
    target = [str(i) for i in range(ROWS)]
    target[5] = "many"
    sentence = refused(frame(y=target), settings, REGRESSION)
    assert sentence.startswith("target 'y' holds 'many' in row 6; regression takes finite numbers")
    assert load(frame(y=target), settings, f"{REGRESSION} {pasted(sentence)}").left_out == [
        "1 row without a target"
    ]


def test_an_infinite_regression_target_is_reported_with_its_row(settings):
    target = np.arange(ROWS, dtype=float)
    target[5] = np.inf
    sentence = refused(frame(y=target), settings, REGRESSION)
    assert sentence == "target 'y' holds inf in row 6; regression takes finite numbers"


def test_a_regression_target_that_never_varies_is_reported(settings):
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
        (7, "with the same value in every row (c)"),
        ("same", "with the same value in every row (c)"),
        (True, "with the same value in every row (c)"),
        ("2026-11-23", "with the same value in every row (c)"),
        (None, "without a value (c)"),
    ],
)
def test_a_constant_column_is_left_out_and_may_be_kept(settings, values, shown):
    rows = frame(c=values)
    found = load(rows, settings)
    assert found.left_out == [f"1 column {shown}"]
    assert list(found.columns.kinds) == list(found.train_rows) == ["a", "k"]
    assert "c" in load(rows, settings, "data.keep=[c]").columns.kinds
    sentence = refused(rows, settings, STRICT)
    assert sentence.startswith(f"data.csv: 1 column {shown};")
    assert load(rows, settings, f"{STRICT} {pasted(sentence)}").left_out == []


def test_column_constant_on_rows_with_target_is_left_out(settings):
    rows = without_target(frame(c=np.where(np.arange(ROWS) < 9, 1, 2)), range(9))
    assert "c" not in load(rows, settings).columns.kinds


def test_one_value_beside_missing_ones_is_not_constant(settings):
    rows = frame(c=np.where(np.arange(ROWS) % 3 == 0, "given", None))
    assert load(rows, settings).columns.kinds["c"] == "categorical"


@pytest.mark.parametrize("column", ["a", "k"])
def test_a_copy_of_a_column_is_left_out_and_may_be_kept(settings, column):
    rows = frame()
    rows["copy"] = rows[column]
    found = load(rows, settings)
    assert found.left_out == ["1 column with the values of another (copy)"]
    assert list(found.columns.kinds) == ["a", "k"]
    assert "copy" in load(rows, settings, "data.keep=[copy]").columns.kinds
    assert "(copy)" in refused(rows, settings, STRICT)


def test_every_copy_of_a_column_is_left_out(settings):
    rows = frame()
    rows["b"] = rows["c"] = rows["a"].mask(rows.index < 9)
    rows["d"] = rows["b"]
    assert load(rows, settings).left_out == ["2 columns with the values of another (c, d)"]


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
def test_leaking_column_is_refused_and_may_be_kept(settings, kind):
    rows = frame(leak=_leaks()[kind])
    sentence = refused(rows, settings)
    assert sentence.startswith(
        "data.csv: 1 column predicting the target without a mistake, which may"
    )
    assert "(leak)" in sentence
    assert "leak" not in load(rows, settings, pasted(sentence)).columns.kinds
    assert "leak" in load(rows, settings, "data.keep=[leak]").columns.kinds


def test_a_leak_of_one_of_three_text_classes_each_is_reported(settings):
    classes = np.resize(["low", "mid", "high"], ROWS)
    code = pd.Series(classes).map({"low": 1, "mid": 2, "high": 3})
    assert pasted(refused(frame(y=classes, leak=code), settings)) == "data.drop=[leak]"


@pytest.mark.parametrize("leak", [lambda y: y, lambda y: -3 * y + 1, np.exp])
def test_a_column_that_orders_a_regression_target_is_reported(settings, leak):
    target = np.random.default_rng(1).normal(size=ROWS)
    sentence = refused(frame(y=target, leak=leak(target)), settings, REGRESSION)
    assert pasted(sentence) == "data.drop=[leak]"


def test_a_copy_of_a_leak_goes_with_it(settings):
    rows = frame()
    rows["leak"] = rows["copy"] = rows["y"] * 10
    sentence = refused(rows, settings)
    assert pasted(sentence) == "data.drop=[leak,copy]"
    load(rows, settings, pasted(sentence))


@pytest.mark.parametrize("distinct", [ROWS, ROWS - 1, ROWS * 9 // 10])
def test_identifier_column_is_left_out_and_may_be_kept(settings, distinct):
    rows = frame(name=[f"customer-{i % distinct}" for i in range(ROWS)])
    found = load(rows, settings)
    assert found.left_out == ["1 column with a different text in nearly every row (name)"]
    assert "name" in load(rows, settings, "data.keep=[name]").columns.kinds
    assert "(name)" in refused(rows, settings, STRICT)


def test_a_text_that_comes_back_is_a_feature(settings):
    rows = frame(name=[f"customer-{i % (ROWS * 4 // 5)}" for i in range(ROWS)])
    assert "name" in load(rows, settings).columns.kinds


def test_all_problems_come_in_one_sentence(settings):
    rows = frame(c=1, name=[f"customer-{i}" for i in range(ROWS)], mixed=1)
    rows["copy"] = rows["a"]
    rows["leak"] = rows["y"]
    rows["mixed"] = ["5+", *(number % 9 for number in range(1, ROWS))]
    sentence = refused(rows, settings, STRICT)
    expected = ["every row (c)", "every row (name)", "another (copy)", "leak (leak)", "text: '5+'"]
    assert [text for text in expected if text not in sentence] == []
    assert pasted(sentence) == "data.drop=[c,name,copy,leak] data.categorical=[mixed]"
    kept = load(rows, settings, f"{STRICT} data.keep=[c,name,copy,leak] data.categorical=[mixed]")
    assert list(kept.columns.kinds) == ["a", "k", "c", "name", "mixed", "copy", "leak"]


def test_a_leak_and_a_mixed_column_are_reported_together(settings):
    rows = frame(mixed=["5+", "<1", *(number % 9 for number in range(2, ROWS))])
    rows["leak"] = rows["y"]
    sentence = refused(rows, settings)
    assert "'5+', '<1'" in sentence
    assert pasted(sentence) == "data.drop=[leak] data.categorical=[mixed]"
    load(rows, settings, pasted(sentence))


def test_what_is_dropped_already_stays_in_the_line_to_paste(settings):
    rows = frame(b=1.0, leak=frame()["y"])
    assert pasted(refused(rows, settings, "data.drop=[b]")) == "data.drop=[b,leak]"


def test_five_hundred_leaks_take_a_short_sentence(settings):
    target = frame()["y"]
    leaks = pd.DataFrame({f"a column of a long name {i}": target * 2 + i for i in range(500)})
    sentence = refused(pd.concat([frame(), leaks], axis=1), settings)
    assert "500 columns" in sentence
    assert "and 495 more)" in sentence
    assert len(sentence) <= 600
    assert pasted(sentence).startswith("'data.drop=[a column of a long name 0,a column")


def test_a_hundred_mixed_columns_take_a_short_sentence(settings):
    texts = [*(f"a long text of its own {i}" for i in range(90)), *range(ROWS - 90)]
    rows = frame(**{f"mixed {i}": texts for i in range(100)})
    sentence = refused(rows, settings)
    assert len(sentence) <= 600
    assert "'mixed 0'" in sentence


ODD_NAMES = [
    "a b",
    "a,b",
    "[a]",
    "it's",
    'a "b"',
    "a\\b",
    "1",
    "true",
    "a: b",
    "#a",
    "a $b",
    "`a`",
    "é",
    "a=b",
]


@pytest.mark.parametrize("name", ODD_NAMES)
def test_the_line_to_paste_takes_any_name(settings, name):
    rows = frame(**{name: frame()["y"]})
    sentence = refused(rows, settings)
    assert settings(pasted(sentence)).data.drop == [name]


# --- an index ---------------------------------------------------------------------------------------


def _indexes():
    shuffled = np.random.default_rng(1).permutation(ROWS)
    return {
        "in order": ("n", np.arange(7, 7 + ROWS)),
        "with fractions of 0": ("n", np.arange(7.0, 7 + ROWS)),
        "shuffled": ("n", shuffled + 70000),
        "filtered": ("Unnamed: 0", np.arange(ROWS) * 3),
        "filtered and shuffled": ("order_id", shuffled * 3),
        "an id of years": ("id", np.arange(1500, 1500 + ROWS)),
    }


@pytest.mark.parametrize("kind", list(_indexes()))
def test_an_index_is_left_out_and_may_be_kept(settings, kind):
    name, values = _indexes()[kind]
    rows = frame(**{name: values})
    found = load(rows, settings)
    assert found.left_out == [f"1 column counting the rows ({name})"]
    assert name in load(rows, settings, f"'data.keep=[\"{name}\"]'").columns.kinds
    assert f"({name})" in refused(rows, settings, STRICT)


def test_an_index_counts_rows_without_a_target_as_well(settings):
    rows = without_target(frame(n=np.arange(ROWS)), [50, 60])
    assert "1 column counting the rows (n)" in load(rows, settings).left_out


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("year", np.arange(1850, 1850 + ROWS)),
        ("quarter", 1971 + np.arange(ROWS) / 4),
        ("customer_id", np.arange(ROWS) % 40),
        ("id", np.random.default_rng(1).normal(size=ROWS)),
        ("n", np.arange(ROWS) * 2),
    ],
)
def test_what_only_looks_like_an_index_is_a_feature(settings, name, values):
    assert load(frame(**{name: values}), settings).columns.kinds[name] == "numeric"


def test_table_of_an_index_alone_is_refused_with_the_line_that_keeps_it(settings):
    rows = frame(n=np.arange(ROWS))[["n", "y"]]
    sentence = refused(rows, settings)
    assert sentence.startswith(
        "data.csv has no column left to predict 'y' from; left out: 1 column"
    )
    assert load(rows, settings, pasted(sentence)).columns.kinds == {"n": "numeric"}


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


def test_a_target_and_a_column_are_reported_together(settings):
    rows = frame(y=np.arange(ROWS) / 4, mixed=["5+", *range(ROWS - 1)])
    sentence = refused(rows, settings)
    assert sentence.startswith("target 'y' holds fractions like 0.25")
    assert pasted(sentence) == "data.categorical=[mixed]"


def test_classes_in_a_spelling_of_numbers_stay_texts(settings):
    prices = np.random.default_rng(0).permutation(np.resize(["$5", "$10"], ROWS))
    found = load(frame(y=prices), settings, "task=auto")
    assert (found.task, set(found.train_target)) == ("classification", {"$5", "$10"})
    assert found.notes == []


def test_target_with_its_own_number_format_is_read_and_noted(settings):
    amounts = [f"${amount:,.2f}" for amount in np.random.default_rng(0).gamma(2, 1000, ROWS)]
    found = load(frame(y=amounts), settings, "task=auto")
    assert (found.task, found.target_format) == ("regression", "$1,234.5")
    assert "numbers are read in y as $1,234.5" in found.notes
    assert found.train_target.max() > 1000


def test_codes_named_as_categorical_are_classes(settings):
    codes = np.random.default_rng(0).permutation(np.resize([f"{n:03}" for n in range(30)], ROWS))
    found = load(frame(y=codes), settings, "task=auto data.categorical=[y]")
    assert (found.task, found.train_target[0][0]) == ("classification", "0")


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
@pytest.mark.parametrize("task", ["classification", "regression"])
def test_a_number_that_means_missing_is_no_target(settings, suffix, task):
    rows = frame(y=np.where(np.arange(ROWS) % 9 == 0, -999.0, np.arange(ROWS) % 2))
    rows.to_csv("data.csv", index=False)
    rows.to_parquet("data.parquet")
    given = f"data.source=data{suffix} 'data.missing_values=[\"-999\"]' task={task}"
    metric = "validation.metric=mae" if task == "regression" else ""
    found = data.load(settings(f"{given} {metric}"))
    assert found.left_out == ["23 rows without a target"]
    assert found.notes[0].startswith("values of the target that mean missing: '-999' (23)")
    assert set(found.train_target) == {0, 1}


def test_a_number_that_means_missing_is_no_target_in_any_spelling(settings):
    amounts = [f"{amount:.2f}".replace(".", ",") for amount in range(1, ROWS + 1)]
    amounts[3] = "-999,00"
    rows = frame(y=np.random.default_rng(0).permutation(amounts))
    found = load(rows, settings, "'data.missing_values=[\"-999\"]' task=auto")
    assert found.left_out == ["1 row without a target"]
    assert found.train_target.min() > 0
