"""The inferred kind of each column, and rows converted to those kinds."""

import datetime
import json
from decimal import Decimal
from io import StringIO

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops_kit.core.errors import UserError
from mlops_kit.data import Columns, kinds
from mlops_kit.data.settings import DataConfig

NAN = float("nan")


def from_csv(*values):
    """A column as the CSV reader hands it over; None is an empty field."""
    lines = "\n".join("" if value is None else f'"{value}"' for value in values)
    return pd.read_csv(StringIO(f"c\n{lines}\n"), skip_blank_lines=False)["c"]


def infer(values, **keys):
    return inferred(pd.DataFrame({"c": values}), **keys)


def inferred(frame, **keys):
    found, errors = kinds.infer(frame, DataConfig(source="d.csv", target="y", **keys))
    if errors:
        raise UserError("; ".join(map(str, errors)))
    return found


def coerced(values, **keys):
    found = infer(values, **keys)
    rows = found.coerce(pd.DataFrame({"c": values}))["c"]
    return found.kinds["c"], rows


def plain(rows):
    """Values as they compare: None for the missing."""
    if pd.api.types.is_datetime64_any_dtype(rows):
        rows = rows.dt.strftime("%Y-%m-%d %H:%M")
    return [None if pd.isna(value) else value for value in rows]


def refused(values, **keys):
    with pytest.raises(UserError) as caught:
        infer(values, **keys)
    return str(caught.value)


# --- kinds --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (from_csv(1, 2, 3), [1, 2, 3]),
        (from_csv(1.5, 2, None), [1.5, 2, None]),
        (from_csv(1, None, 3), [1, None, 3]),
        (from_csv("1e3", "-2", None), [1000, -2, None]),
        (from_csv(2019, 2020, 2021), [2019, 2020, 2021]),
        (from_csv(20261123, 20261124), [20261123, 20261124]),
        (pd.Series(["2019", "2020", None]), [2019, 2020, None]),
        (pd.Series(["20261123", "20261124"]), [20261123, 20261124]),
        (pd.Series([1, "2", 3.5], dtype=object), [1, 2, 3.5]),
        (pd.Series([Decimal("1.5"), None]), [1.5, None]),
        (pd.Series([1, None], dtype="Int64"), [1, None]),
        (pd.Series([1.5, None], dtype="Float64"), [1.5, None]),
        (pd.Series([1, 2], dtype="uint8"), [1, 2]),
        (pd.Series([1.0, np.inf, -np.inf]), [1, None, None]),
        (from_csv(0, 1, 0), [0, 1, 0]),
        (pd.Series([10**30, 2], dtype=object), [1e30, 2]),
        (pd.Series([None, None], dtype="float64"), [None, None]),
    ],
)
def test_numbers(values, expected):
    kind, rows = coerced(values)
    assert (kind, rows.dtype, plain(rows)) == ("numeric", "float64", expected)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (from_csv(True, False), [1, 0]),
        (from_csv("true", "false", None), [1, 0, None]),
        (from_csv("TRUE", "False", None), [1, 0, None]),
        (pd.Series([True, None, False], dtype="boolean"), [1, None, 0]),
        (pd.Series([True, None, False], dtype=object), [1, None, 0]),
        (pd.Series([np.bool_(True), None], dtype=object), [1, None]),
    ],
)
def test_true_and_false(values, expected):
    kind, rows = coerced(values)
    assert (kind, rows.dtype, plain(rows)) == ("boolean", "float64", expected)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (from_csv("red", None, "blue"), ["red", None, "blue"]),
        (from_csv("4", "4x4", "x"), ["4", "4x4", "x"]),
        (from_csv("yes", "no"), ["yes", "no"]),
        (from_csv("Größe", "名前", "🙂"), ["Größe", "名前", "🙂"]),
        (from_csv("today", "now"), ["today", "now"]),
        (from_csv("May", "June"), ["May", "June"]),
        (from_csv("2026-11-23", "never"), ["2026-11-23", "never"]),
        (from_csv("10:30", "11:45"), ["10:30", "11:45"]),
        (from_csv("3-4", "5-6"), ["3-4", "5-6"]),
        (pd.Series(["a", None], dtype="string"), ["a", None]),
        (pd.Series(["a", None, "b"], dtype="category"), ["a", None, "b"]),
        (pd.Series(["a"], dtype="category"), ["a"]),
        (pd.Series([3, 4, None], dtype="category"), ["3", "4", None]),
        (pd.Series([True, False], dtype="category"), ["True", "False"]),
    ],
)
def test_categories(values, expected):
    kind, rows = coerced(values)
    assert (kind, rows.dtype, plain(rows)) == ("categorical", "object", expected)


@pytest.mark.parametrize(
    "values",
    [
        from_csv("2026-11-23", None, "2024-02-29"),
        from_csv("2026-11-23T00:00", None, "2024-02-29 00:00:00"),
        from_csv("2026-11-23T01:00:00+01:00", None, "2024-02-29T00:00:00Z"),
        pd.Series(pd.to_datetime(["2026-11-23", None, "2024-02-29"])),
        pd.Series(pd.to_datetime(["2026-11-23", None, "2024-02-29"])).astype("datetime64[s]"),
        pd.Series(pd.to_datetime(["2026-11-23", None, "2024-02-29"], utc=True)),
        pd.Series(pd.to_datetime(["2026-11-23", None, "2024-02-29"])).dt.tz_localize("UTC"),
        pd.Series([datetime.date(2026, 11, 23), None, datetime.date(2024, 2, 29)]),
        pd.Series([datetime.datetime(2026, 11, 23), None, datetime.datetime(2024, 2, 29)]).astype(
            object
        ),
        pd.Series(["2026-11-23", None, "2024-02-29"], dtype="string"),
    ],
)
def test_dates(values):
    kind, rows = coerced(values)
    assert (kind, rows.dtype) == ("date", "datetime64[us]")
    assert plain(rows) == ["2026-11-23 00:00", None, "2024-02-29 00:00"]


@pytest.mark.parametrize(
    ("values", "its_format"),
    [
        (from_csv("23/11/2026", None, "29/02/2024"), "%d/%m/%Y"),
        (from_csv("23.11.26", None, "29.02.24"), "%d.%m.%y"),
        (from_csv("20261123", None, "20240229"), "%Y%m%d"),
        (from_csv("20261123", "20240229"), "%Y%m%d"),
        (pd.Series([20261123, None, 20240229], dtype="Int64"), "%Y%m%d"),
        (from_csv("23 November 2026", None, "29 February 2024"), "%d %B %Y"),
    ],
)
def test_dates_in_another_format(values, its_format):
    kind, rows = coerced(values, dates={"c": its_format})
    assert kind == "date"
    expected = ["2026-11-23 00:00", None, "2024-02-29 00:00"]
    assert plain(rows) == [day for day in expected if day or values.isna().any()]


def test_dates_survive_parquet(tmp_path):
    day = datetime.date(2026, 11, 23)
    frame = pd.DataFrame({"c": pd.to_datetime([day, None]), "d": [day, None]})
    frame.to_parquet(tmp_path / "d.parquet")
    frame = pd.read_parquet(tmp_path / "d.parquet")
    found = inferred(frame)
    assert found.kinds == {"c": "date", "d": "date"}
    assert plain(found.coerce(frame)["d"]) == ["2026-11-23 00:00", None]


def test_numbers_listed_as_categorical_are_texts_without_a_fraction():
    kind, rows = coerced(from_csv(101, None, 103), categorical=["c"])
    assert (kind, plain(rows)) == ("categorical", ["101", None, "103"])


def test_a_category_reads_the_same_whatever_else_is_in_its_column():
    found = infer(pd.Series([4.0, 4.5, 1e300, NAN]), categorical=["c"])
    alone = found.coerce(pd.DataFrame({"c": [4]}))["c"]
    beside = found.coerce(pd.DataFrame({"c": [4.0, 4.5, NAN]}))["c"]
    text = found.coerce(pd.DataFrame({"c": ["4"]}))["c"]
    assert alone[0] == beside[0] == text[0] == "4"


# --- unsupported values ---------------------------------------------------------------------------


def test_texts_in_a_number_column_are_listed():
    sentence = refused(from_csv(1, 2, "5+", 4, "<0.006", 6, "5+", 8))
    assert sentence == "column 'c' mixes numbers and text: '5+', '<0.006'"


def test_twenty_texts_are_listed_and_the_others_counted():
    sentence = refused(from_csv(*range(30), *(f"t{i}" for i in range(25))))
    assert sentence.endswith("'t18', 't19' and 5 more")


def test_mixed_columns_may_be_categorical_or_their_texts_missing():
    assert infer(from_csv(1, 2, "many", 4), categorical=["c"]).kinds == {"c": "categorical"}


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (pd.Series([[1], [2]]), "list"),
        (pd.Series([{"a": 1}, None]), "dict"),
        (pd.Series([b"a", b"b"]), "bytes"),
        (pd.Series([1j, 2j]), "complex128"),
        (pd.Series([1j, "a"], dtype=object), "complex"),
        (pd.Series([datetime.timedelta(1), datetime.timedelta(2)]), "timedelta64"),
        (pd.Series([datetime.time(1), datetime.time(2)]), "time"),
        (pd.Series([np.array([1]), np.array([2])]), "ndarray"),
        (pd.Series(pd.period_range("2026", periods=2, freq="M")), "eriod"),
        (pd.Series(["a", b"b"]), "bytes"),
    ],
)
def test_values_of_no_supported_kind_are_reported(values, kind):
    sentence = refused(values)
    assert sentence.startswith("column 'c' holds ")
    assert kind in sentence
    assert sentence.endswith(" values")


def test_every_column_that_cannot_be_used_is_reported_at_once():
    frame = pd.DataFrame({"a": [1, 2, "x"], "b": [b"1", b"2", b"3"], "c": [1, 2, 3]})
    with pytest.raises(UserError) as caught:
        inferred(frame)
    assert "column 'a' mixes" in str(caught.value)
    assert "; column 'b' holds bytes" in str(caught.value)


def test_a_date_format_that_python_does_not_know_is_reported():
    values = from_csv("23/11/2026")
    with pytest.raises(UserError, match=r"data\.dates\.c is '%Q'"):
        coerced(values, dates={"c": "%Q"})


def test_value_outside_the_date_format_is_reported_with_its_row():
    with pytest.raises(UserError, match="column 'c' is date but holds '2026-11-23' in row 2"):
        coerced(from_csv("23/11/2026", "2026-11-23"), dates={"c": "%d/%m/%Y"})


# --- rows to predict ------------------------------------------------------------------------------

ALL = Columns(
    {"n": "numeric", "b": "boolean", "k": "categorical", "d": "date", "f": "date"},
    {"f": "%d/%m/%Y"},
)
ROW = {"n": 1.5, "b": True, "k": "red", "d": "2026-11-23", "f": "23/11/2026"}


def test_a_row_to_predict_gets_the_types_of_training():
    rows = ALL.coerce(pd.DataFrame([ROW]))
    assert [str(dtype) for dtype in rows.dtypes] == [
        "float64",
        "float64",
        "object",
        "datetime64[us]",
        "datetime64[us]",
    ]
    assert rows["d"].equals(rows["f"].rename("d"))


def test_a_row_of_nothing_but_missing_values_gets_the_same_types():
    rows = ALL.coerce(pd.DataFrame([dict.fromkeys(ROW)]))
    assert rows.isna().all(axis=None)
    assert rows.dtypes.equals(ALL.coerce(pd.DataFrame([ROW])).dtypes)


def test_no_row_at_all_gets_the_same_types():
    rows = ALL.coerce(pd.DataFrame([ROW]).head(0))
    assert rows.dtypes.equals(ALL.coerce(pd.DataFrame([ROW])).dtypes)


def test_unseen_categories_numbers_as_texts_and_0_or_1_pass():
    rows = ALL.coerce(pd.DataFrame([{**ROW, "n": "2", "b": 0, "k": "never seen"}]))
    assert plain(rows.iloc[0])[:3] == [2.0, 0.0, "never seen"]


def test_columns_come_in_the_order_of_training_and_others_are_ignored():
    shuffled = {name: ROW[name] for name in reversed(list(ROW))}
    assert list(ALL.coerce(pd.DataFrame([{"more": 1, **shuffled}]))) == list(ROW)


def test_missing_columns_are_reported():
    with pytest.raises(UserError, match="the rows lack the columns b, d"):
        ALL.coerce(pd.DataFrame([ROW]).drop(columns=["b", "d"]))


@pytest.mark.parametrize(
    ("name", "wrong", "kind"),
    [
        ("n", "many", "numeric"),
        ("n", "2026-11-23", "numeric"),
        ("n", [1], "numeric"),
        ("b", "maybe", "boolean"),
        ("b", 2, "boolean"),
        ("b", 0.5, "boolean"),
        ("d", "yesterday", "date"),
        ("d", "23/11/2026", "date"),
        ("d", "2026-02-30", "date"),
        ("d", [1], "date"),
        ("d", 5, "date"),
        ("f", "2026-11-23", "date"),
    ],
)
@pytest.mark.parametrize("index", [[0, 1], ["r", "s"], [7, 7]])
def test_a_value_of_the_wrong_kind_is_reported_with_its_row(name, wrong, kind, index):
    frame = pd.DataFrame([ROW, {**ROW, name: wrong}], index=index)
    with pytest.raises(UserError) as caught:
        ALL.coerce(frame)
    assert str(caught.value) == f"column {name!r} is {kind} but holds {wrong!r} in row 2"


def test_columns_survive_json():
    assert Columns(**json.loads(json.dumps(ALL.to_dict()))) == ALL


_cells = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(max_size=4),
    st.sampled_from(["1", "true", "2026-11-23", "2026", "inf", "NaT", "now", "", " "]),
    st.dates(),
    st.datetimes(),
    st.binary(max_size=2),
    st.decimals(allow_nan=False),
    st.complex_numbers(),
    st.timedeltas(),
    st.lists(st.integers(), max_size=2),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(_cells, min_size=1, max_size=4), st.lists(_cells, min_size=1, max_size=2))
def test_any_values_are_coerced_or_refused(values, later):
    try:
        found = infer(pd.Series(values, dtype=object))
        rows = found.coerce(pd.DataFrame({"c": pd.Series(values, dtype=object)}))
        again = found.coerce(pd.DataFrame({"c": pd.Series(later, dtype=object)}))
    except UserError:
        return
    assert rows.dtypes.equals(again.dtypes)


def test_a_day_that_stands_for_never_is_a_date_with_every_pandas():
    ends = pd.Series(["2026-01-31", "9999-12-31", None, "0001-01-01"])
    columns_ = inferred(pd.DataFrame({"ends": ends}))
    coerced = columns_.coerce(pd.DataFrame({"ends": ends}))["ends"]
    assert columns_.kinds == {"ends": "date"}
    assert coerced.dt.year.tolist()[:2] == [2026, 9999]
    assert coerced.isna().tolist() == [False, False, True, False]


def test_unambiguous_decimal_commas_are_read_unless_categorical():
    rows = pd.DataFrame({"price": ["1,5", "20", "3,25"]})
    assert inferred(rows).coerce(rows)["price"].tolist() == [1.5, 20, 3.25]
    assert inferred(rows, categorical=["price"]).kinds == {"price": "categorical"}


@pytest.mark.parametrize(
    ("its_format", "text", "date"),
    [
        (None, "9999-12-31T23:59:59", "9999-12-31T23:59:59"),
        (None, "9999-12-31T12:00:00+02:00", "9999-12-31T10:00:00"),
        (None, "2500-01-01T06:30:00.250000Z", "2500-01-01T06:30:00.25"),
        ("%d/%m/%Y", "31/12/9999", "9999-12-31"),
        ("%d/%m/%Y %H:%M %z", "31/12/1500 01:00 +0200", "1500-12-30T23:00"),
    ],
)
def test_far_dates_keep_their_time_and_zone(its_format, text, date):
    columns = Columns({"d": "date"}, {"d": its_format} if its_format else {})
    (found,) = columns.coerce(pd.DataFrame({"d": [text]}))["d"].to_numpy()
    assert found == np.datetime64(date, "us")


def test_what_only_begins_like_a_far_date_is_none():
    for text in ("9999-12-31 and more", "9999-02-30"):
        with pytest.raises(UserError, match="is date but holds"):
            Columns({"d": "date"}).coerce(pd.DataFrame({"d": [text]}))
