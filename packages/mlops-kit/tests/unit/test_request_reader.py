"""The fast reader of requests accepts nothing that pydantic refuses, and parses the same values."""

import json

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from mlops_kit.artifact import request_reader, request_schema, value_parsers
from mlops_kit.artifact.request_schema import RefusedRowsError

MOST = 3
COLUMNS = [
    {"name": "number", "kind": "numeric", "missing": False, "missing_values": []},
    {"name": "gap", "kind": "numeric", "missing": True, "missing_values": [-1.0]},
    {"name": "truth", "kind": "boolean", "missing": True, "missing_values": []},
    {"name": "text", "kind": "categorical", "missing": True, "missing_values": ["", "NA"]},
    {"name": "code", "kind": "categorical", "missing": False, "missing_values": ["", "NA"]},
    {"name": "day", "kind": "date", "missing": True, "missing_values": [], "format": None},
    {"name": "own", "kind": "date", "missing": False, "missing_values": [], "format": "%d.%m.%Y"},
]
for described in COLUMNS:
    described["categories"] = ["a", "37"]
ROW = {
    "number": "1.5",
    "gap": "2",
    "truth": "true",
    "text": '"a"',
    "code": '"b"',
    "day": '"2026-11-23"',
    "own": '"23.11.2026"',
}
# As JSON has them, or nearly.
VALUES = [
    *("0", "-0", "3", "37.0", "1E+3", "-1.5", "-1", "-1.0", "1e-320", "5e-324", "9007199254740993"),
    *("18446744073709551617", "-9223372036854775809", "123456789012345678901234567890", "0.1"),
    *("1.00000000000000011102230246251565", "2.2250738585072011e-308", "1" + 400 * "0"),
    *("3.4028234663852886e38", "3.4028234663852887e38", "1e999", "NaN", "-Infinity"),
    *("01", "1.", ".5", "+1", "1e", "null", "true", "false", "[]", "{}", "[1]", ""),
    *('"a"', '" a "', '"37"', '"37.0"', '"true"', '"NA"', '""', '" "', '"\\u0061"', '"\\u0000"'),
    *('"\\ud83d\\ude00"', '"\\ud800"', '"\\ud800\\u0041"', '"\\udc00"', '"\\q"', '"a\nb"'),
    *('"2026-11-23"', '"2026-11-23T23:30-05:00"', '"0001-01-01T00:00+14:00"', '"2026-02-30"'),
    *('"23.11.2026"', '"31.02.2026"', '"1577836800"', '"1.5"'),
]
BODIES = [
    *("", "{}", "[]", "null", '{"rows": []}', '{"rows": {}}', '{"rows": [1]}', '{"rows": [{}]}'),
    *("[" * 50_000, '{"rows":' * 50_000, '{"rows": [' * 50_000),
    *('{"rows": [ROW]}', '{"rows": [ROW, ROW, ROW]}', '{"rows": [ROW, ROW, ROW, ROW]}'),
    *('{"rows": [ROW], "rows": [ROW, ROW]}', '{"rows": [], "rows": [ROW]}'),
    *('{"rows": [ROW], "more": 1}', '{"Rows": [ROW]}', '{"\\u0072ows": [ROW]}'),
    *('{"rows": [ROW],}', '{"rows": [ROW,]}', '{"rows": [ROW]} x', '{"rows": [ROW]}\0', "\ufeff{}"),
]


def body(*rows):
    """Return the text of a request whose rows are mappings of names to JSON texts."""
    each = ("{" + ", ".join(f"{json.dumps(k)}: {v}" for k, v in row.items()) + "}" for row in rows)
    return f'{{"rows": [{", ".join(each)}]}}'


@pytest.fixture(scope="module")
def taken():
    """A function from a body to whether the fast reader takes it, once that means the same to pydantic."""
    fast = request_reader.Reader(COLUMNS, MOST, value_parsers.of(COLUMNS))
    whole = request_schema.Checker(COLUMNS, {}, MOST)

    def read(text):
        try:
            found = fast.values(text)
        except ValueError:
            return False
        rows = whole._rows(text)
        assert list(found) == list(ROW)
        for name, values in found.items():
            # As texts, in which -0.0 and 0.0 differ, and 1, 1.0 and True.
            assert [repr(value) for value in values] == [repr(row[name]) for row in rows]
        return True

    return read


@pytest.mark.parametrize("name", ROW)
def test_each_value_means_the_same(taken, name):
    found = {value: taken(body({**ROW, name: value})) for value in VALUES}
    assert 0 < sum(found.values()) < len(VALUES)


def test_bodies_mean_the_same(taken):
    found = [taken(text.replace("ROW", body(ROW)[10:-2])) for text in BODIES]
    assert sum(found) == 4


@pytest.mark.parametrize("bad", [b"\xff", b"\xed\xa0\x80", b"\xc0\x80"])
def test_bytes_that_are_no_utf_8_are_left_to_pydantic(taken, bad):
    text = body({**ROW, "text": '"@"'}).encode()
    assert taken(text)
    assert not taken(text.replace(b"@", bad))


def test_rows_may_have_their_columns_in_any_order_and_twice(taken):
    turned = dict(reversed(ROW.items()))
    assert taken(body(turned, ROW))
    assert taken(body(ROW).replace('"gap": 2', '"gap": 2, "gap": 3'))


@settings(
    max_examples=300,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "number": st.floats(allow_nan=False, width=32) | st.integers(-(2**70), 2**70),
                "gap": st.none() | st.floats(-1e30, 1e30) | st.just(-1),
                "truth": st.none() | st.booleans(),
                "text": st.none() | st.text(max_size=5),
                "code": st.text("ab 370.", min_size=1, max_size=5),
                "day": st.none() | st.dates().map(str) | st.datetimes().map(str),
                "own": st.dates().map(lambda day: f"{day:%d.%m.}{day.year:04}"),
            }
        ),
        min_size=1,
        max_size=MOST,
    ),
    st.booleans(),
)
def test_drawn_rows_mean_the_same(taken, rows, ascii_only):
    taken(json.dumps({"rows": rows}, ensure_ascii=ascii_only))


def test_what_the_fast_reader_leaves_is_still_taken():
    text = body({**ROW, "text": "37.0", "code": "true"})
    found = request_schema.Checker(COLUMNS, {}, MOST).values(text)
    assert (found["text"], found["code"]) == (["37"], ["True"])


def test_a_refusal_names_the_place_as_before():
    with pytest.raises(RefusedRowsError) as caught:
        request_schema.Checker(COLUMNS, {}, MOST).values(body(ROW, {**ROW, "gap": '"2"'}))
    assert [one["loc"] for one in caught.value.problems] == [["body", "rows", 1, "gap"]]
