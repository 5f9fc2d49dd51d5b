"""The validation of requests: every kind of value, accepted or reported with its location."""

import datetime
import json

import pytest

from mlops_kit.artifact import request_schema
from mlops_kit.artifact.encoding import in_rows
from mlops_kit.artifact.request_schema import RefusedRowsError

COLUMNS = [
    {
        "name": "number",
        "kind": "numeric",
        "missing": False,
        "missing_values": [],
        "minimum": 1.0,
        "maximum": 2.0,
    },
    {"name": "truth", "kind": "boolean", "missing": False, "missing_values": []},
    {
        "name": "text",
        "kind": "categorical",
        "missing": False,
        "missing_values": [],
        "categories": [f"c{number}" for number in range(12)],
    },
    {
        "name": "day",
        "kind": "date",
        "missing": False,
        "missing_values": [],
        "minimum": None,
        "format": None,
    },
    {
        "name": "own day",
        "kind": "date",
        "missing": False,
        "missing_values": [],
        "minimum": None,
        "format": "%d.%m.%y",
    },
]
ROW = {"number": 1.5, "truth": True, "text": "c1", "day": "2026-11-23", "own day": "23.11.26"}
LARGEST = 3.4028234663852886e38


def check(text, columns=COLUMNS, most=2):
    return in_rows(request_schema.Checker(columns, ROW, most).values(text))


def check_value(name, json_text, missing=False):
    """Replace one value by the JSON text `json_text`; return the result of the check."""
    columns = [{**column, "missing": missing} for column in COLUMNS]
    text = json.dumps({"rows": [{**ROW, name: "@"}]}).replace('"@"', json_text)
    return check(text, columns)[0][name]


def problems(text, most=2):
    with pytest.raises(RefusedRowsError) as caught:
        check(text, most=most)
    return [(one["type"], tuple(one["loc"][1:])) for one in caught.value.problems]


def refusal(name, json_text):
    with pytest.raises(RefusedRowsError) as caught:
        check_value(name, json_text)
    (problem,) = caught.value.problems
    return problem


def test_a_row_comes_back_in_python_types():
    assert check(json.dumps({"rows": [ROW]})) == [
        {
            "number": 1.5,
            "truth": True,
            "text": "c1",
            "day": datetime.datetime(2026, 11, 23),
            "own day": datetime.datetime(2026, 11, 23),
        }
    ]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3.0),
        ("-0", 0.0),
        ("1E+3", 1000.0),
        ("1e-320", 1e-320),
        ("123456789012345678901234567890", 123456789012345678901234567890.0),
        (str(LARGEST), LARGEST),
        (str(-LARGEST), -LARGEST),
    ],
)
def test_numbers_that_are_taken(text, value):
    assert check_value("number", text) == value


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("NaN", "finite_number"),
        ("Infinity", "finite_number"),
        ("-Infinity", "finite_number"),
        ("1e999", "finite_number"),
        ("-1e999", "finite_number"),
        ("1" + 500 * "0", "finite_number"),
        ("3.5e38", "less_than_equal"),
        ("-1e300", "greater_than_equal"),
        ("true", "float_type"),
        ('"1"', "float_type"),
        ("null", "float_type"),
        ("[1]", "float_type"),
        ("{}", "float_type"),
    ],
)
def test_numbers_that_are_refused_at_their_place(text, kind):
    problem = refusal("number", text)
    assert problem["type"] == kind
    assert problem["loc"] == ["body", "rows", 0, "number"]


@pytest.mark.parametrize("text", ["1", "0", '"true"', "null", "1.0", "[]"])
def test_what_is_no_boolean_is_refused(text):
    assert refusal("truth", text)["type"] == "bool_type"


@pytest.mark.parametrize("text", ["null", "[]", "{}"])
def test_what_is_no_text_is_refused(text):
    assert refusal("text", text)["type"] == "string_type"


@pytest.mark.parametrize("value", ["", "new", "\0", "\U0001f600", "é", "x" * 100_000])
def test_every_text_is_taken(value):
    assert check_value("text", json.dumps(value)) == value


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("2026-11-23", (2026, 11, 23)),
        ("2026-11-23T10:30", (2026, 11, 23, 10, 30)),
        ("2026-11-23 10:30:05.25", (2026, 11, 23, 10, 30, 5, 250_000)),
        ("2026-11-23T10:30Z", (2026, 11, 23, 10, 30)),
        ("2026-11-23T23:30:00-05:00", (2026, 11, 24, 4, 30)),
        ("0001-01-01", (1, 1, 1)),
        ("9999-12-31T23:59:59", (9999, 12, 31, 23, 59, 59)),
        ("9999-12-31T23:59:59+14:00", (9999, 12, 31, 9, 59, 59)),
    ],
)
def test_dates_come_in_utc(text, date):
    assert check_value("day", json.dumps(text)) == datetime.datetime(*date)


@pytest.mark.parametrize(
    "value",
    [
        # Seconds since 1970, for pydantic: the second would be a day in August 1970.
        *("1577836800", "20200101", 1577836800, 1.5),
        # Not in any year from 1 to 9999, once in UTC.
        *("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"),
        *("2026-02-30", "2026-1-1", "2026-W01-1", "-0001-01-01", "now", "", None),
        *(True, [], {}, "2026-11-23T10:00:00+99:00", "2026-11-23T25:00"),
    ],
)
def test_what_is_no_date_is_refused_at_its_place(value):
    assert refusal("day", json.dumps(value))["loc"] == ["body", "rows", 0, "day"]


def test_a_date_in_the_datas_own_format_has_no_other():
    assert check_value("own day", '"01.02.99"') == datetime.datetime(1999, 2, 1)
    for value in ("2026-11-23", "31.02.26", "1577836800", "", None, 5, True, [], {}):
        problem = refusal("own day", json.dumps(value))
        assert problem["msg"] == "Input should be a text with a date in the form %d.%m.%y"


def test_a_date_in_a_format_with_a_zone_comes_in_utc():
    column = {
        "name": "d",
        "kind": "date",
        "missing": False,
        "missing_values": [],
        "format": "%Y-%m-%d %H:%M %z",
    }
    text = json.dumps({"rows": [{"d": "2026-11-23 01:00 +0200"}]})
    assert check(text, [column]) == [{"d": datetime.datetime(2026, 11, 22, 23)}]


@pytest.mark.parametrize("name", ROW)
def test_null_is_taken_only_where_training_saw_values_missing(name):
    assert check_value(name, "null", missing=True) is None
    assert refusal(name, "null")["loc"] == ["body", "rows", 0, name]


def test_unknown_and_missing_columns_are_named():
    given = {**ROW, "numbr": 1.0}
    del given["number"]
    assert problems(json.dumps({"rows": [ROW, given]})) == [
        ("missing", ("rows", 1, "number")),
        ("extra_forbidden", ("rows", 1, "numbr")),
    ]


def test_all_errors_of_the_first_bad_row_are_reported():
    first = {**ROW, "number": "1", "truth": 1}
    text = json.dumps({"rows": [ROW, first, *[{}] * 998]})
    found = problems(text, most=1000)
    assert found == [("float_type", ("rows", 1, "number")), ("bool_type", ("rows", 1, "truth"))]


@pytest.mark.parametrize("place", ["in its only row", "in its last row", "beside its rows"])
def test_of_very_many_unknown_keys_a_hundred_are_named(place):
    unknown = {f"k{number}": number for number in range(80_000)}
    row = {**ROW, **unknown} if place != "beside its rows" else ROW
    beside = unknown if place == "beside its rows" else {}
    rows = [ROW, row] if place == "in its last row" else [row]
    found = problems(json.dumps({"rows": rows, **beside}))
    where = () if beside else ("rows", len(rows) - 1)
    assert found == [("extra_forbidden", (*where, f"k{number}")) for number in range(100)]


def test_all_that_is_wrong_with_a_request_is_reported_at_once():
    text = json.dumps({"rows": [{"x": 1}], "y": {}})
    missing = [("missing", ("rows", 0, name)) for name in ROW]
    beside, extra = ("extra_forbidden", ("y",)), ("extra_forbidden", ("rows", 0, "x"))
    assert problems(text) == [beside, *missing, extra]


def test_a_column_may_not_be_traded_for_an_unknown_key():
    for name in ROW:
        row = {"x" if key == name else key: value for key, value in ROW.items()}
        found = [("missing", ("rows", 0, name)), ("extra_forbidden", ("rows", 0, "x"))]
        assert problems(json.dumps({"rows": [row]})) == found


def test_missing_column_is_reported_before_a_later_wrong_value():
    short = {name: value for name, value in ROW.items() if name != "truth"}
    text = json.dumps({"rows": [ROW, short, {**ROW, "number": "1"}]})
    assert problems(text, most=3) == [("missing", ("rows", 1, "truth"))]


@pytest.mark.parametrize(
    ("text", "kind", "place"),
    [
        ("", "json_invalid", ()),
        ("not json", "json_invalid", ()),
        ("\ufeff{}", "json_invalid", ()),
        ('{"rows": [', "json_invalid", ()),
        ('{"rows": [], }', "json_invalid", ()),
        ("[" * 100_000, "json_invalid", ()),
        ('{"a":' * 100_000, "json_invalid", ()),
        ("1" * 100_000, "json_invalid", ()),
        ('{"rows": [{"text": "\\ud800"}]}', "json_invalid", ()),
        ("null", "dict_type", ()),
        ("[]", "dict_type", ()),
        ("{}", "missing", ("rows",)),
        ('{"rows": null}', "list_type", ("rows",)),
        ('{"rows": {}}', "list_type", ("rows",)),
        ('{"rows": []}', "too_short", ("rows",)),
        ('{"rows": [1]}', "dict_type", ("rows", 0)),
    ],
)
def test_what_holds_no_rows_is_refused(text, kind, place):
    assert problems(text) == [(kind, place)]


def test_more_keys_beside_the_rows_are_refused():
    assert problems(json.dumps({"rows": [ROW], "more": 1})) == [("extra_forbidden", ("more",))]


def test_bytes_that_are_no_utf_8_are_refused():
    assert problems(b'{"rows": [{"text": "\xff"}]}') == [("json_invalid", ())]


def test_more_rows_than_the_limit_are_refused():
    assert len(check(json.dumps({"rows": [ROW] * 2}))) == 2
    assert problems(json.dumps({"rows": [ROW] * 3})) == [("too_long", ("rows",))]


def test_of_a_key_given_twice_the_last_one_counts():
    text = json.dumps({"rows": [ROW]}).replace('"number": 1.5', '"number": 1.5, "number": 7')
    assert check(text)[0]["number"] == 7


@pytest.mark.parametrize(
    "name",
    [
        "",
        "rows",
        "class",
        "self",
        "_private",
        "__proto__",
        "model_x",
        "a.b",
        "größe [m²]",
        "\0",
        "$",
    ],
)
def test_columns_may_have_any_name(name):
    column = {"name": name, "kind": "numeric", "missing": True, "missing_values": []}
    assert check(json.dumps({"rows": [{name: 1}, {name: None}]}), [column])[0] == {name: 1.0}
    assert (
        name
        in request_schema.body_schema([column], {name: 1.0}, 5)["properties"]["rows"]["items"][
            "properties"
        ]
    )


def test_the_schema_tells_the_same():
    schema = request_schema.body_schema(COLUMNS, ROW, 7)
    assert schema["example"] == {"rows": [ROW]}
    assert (schema["required"], schema["additionalProperties"]) == (["rows"], False)
    of_rows = schema["properties"]["rows"]
    assert (of_rows["minItems"], of_rows["maxItems"]) == (1, 7)
    of_row = of_rows["items"]
    assert of_row["required"] == [column["name"] for column in COLUMNS]
    assert of_row["additionalProperties"] is False
    found = {name: one["description"] for name, one in of_row["properties"].items()}
    assert found == {
        "number": "numeric; seen from 1.0 to 2.0",
        "truth": "boolean",
        "text": "categorical; seen: c0, c1, c2, c3, c4, c5, c6, c7, c8, c9 and 2 more",
        "day": "date; ISO 8601, UTC",
        "own day": "date; in the form %d.%m.%y",
    }
    types = {name: (one["type"], one.get("format")) for name, one in of_row["properties"].items()}
    assert types == {
        "number": ("number", None),
        "truth": ("boolean", None),
        "text": (["string", "number", "boolean"], None),
        "day": ("string", "date-time"),
        "own day": ("string", None),
    }
