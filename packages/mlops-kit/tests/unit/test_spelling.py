"""Numbers and dates in the spellings of real tables, and which of them are ambiguous."""

import datetime

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops_kit.core import values
from mlops_kit.core.errors import UserError
from mlops_kit.data import date_spelling, kinds, number_spelling, problems
from mlops_kit.data.settings import DataConfig

NAN = float("nan")


def infer(texts, **keys):
    notes = []
    frame = pd.DataFrame({"c": pd.Series(texts, dtype=object)})
    config = DataConfig(source="d.csv", target="y", **keys)
    found, errors = kinds.infer(frame, config, notes)
    if errors:
        raise problems.refusal(config, {}, errors)
    return found, found.coerce(frame)["c"], notes


def refused(texts, **keys):
    with pytest.raises(UserError) as caught:
        infer(texts, **keys)
    return str(caught.value)


@pytest.mark.parametrize(
    ("texts", "spelled", "expected"),
    [
        (["12 %", "7.5%", "-3 %"], "1234.5 %", [12, 7.5, -3]),
        (["$1,234.50", "$5", "-$7", "($8)"], "$1,234.5", [1234.5, 5, -7, -8]),
        (["1.234,50 €", "7 €"], "1.234,5 €", [1234.5, 7]),
        (["1,250,000", "697"], "1,234.5", [1_250_000, 697]),
        (["1 234,5", "1\u00a0234\u202f567,0"], "1 234,5", [1234.5, 1_234_567]),
        (["1'234.5", "1’000.25"], "1'234.5", [1234.5, 1000.25]),
        (["EUR 5", "EUR 6.5"], "EUR1234.5", [5, 6.5]),
        (["1,5", "20", "3,25"], "1234,5", [1.5, 20, 3.25]),
        (["9,987.12", "12"], "1,234.5", [9987.12, 12]),
        (["0,262", "1,204"], "1234,5", [0.262, 1.204]),
    ],
)
def test_numbers_that_leave_no_doubt_are_read_and_noted(texts, spelled, expected):
    found, rows, notes = infer(texts)
    assert (found.kinds, found.number_formats) == ({"c": "numeric"}, {"c": spelled})
    assert rows.tolist() == expected
    assert notes == [f"numbers are read in c as {spelled}"]


@pytest.mark.parametrize("texts", [["51,494", "697"], ["9,987", "1,002"], ["$3,072", "$12,999"]])
def test_commas_before_three_digits_are_ambiguous(texts):
    sentence = refused(texts)
    lines = 'SET="data.numbers.c=1,234.5"', 'SET="data.numbers.c=1234,5"'
    assert all(line in sentence for line in lines)
    whole = float(texts[0].replace(",", "").lstrip("$"))
    for written, scale in (("1,234.5", 1), ("1234,5", 1000)):
        _, rows, notes = infer(texts, numbers={"c": written})
        assert (rows[0], notes) == (whole / scale, [])


def test_thousands_of_the_whole_file_are_named_by_one_key():
    _, rows, notes = infer(["51,494", "697", "1,250,000"], thousands=",")
    assert (rows.tolist(), notes) == ([51494, 697, 1_250_000], [])


@pytest.mark.parametrize("text", ["1,23", "1,2345", "12,34,567", ",123", "1,234,56", "0,123"])
def test_marks_of_thousands_stand_before_three_digits(text):
    assert np.isnan(number_spelling.parse("1,234.5").numbers(np.array([text], dtype=object))[0])


@pytest.mark.parametrize("text", ["12", "7 $", "$5", "12 kg", "12%%", "% 12"])
def test_another_sign_is_no_number_of_the_column(text):
    assert np.isnan(number_spelling.parse("1234.5 %").numbers(np.array([text], dtype=object))[0])


@pytest.mark.parametrize("example", ["1234", "12.5", "1.234.5", "1234;5", "", "x", "1,234,5"])
def test_an_example_is_1234_5_as_the_column_writes_it(example):
    with pytest.raises(ValueError, match="is not 1234"):
        number_spelling.parse(example)


@pytest.mark.parametrize(
    ("texts", "its_format", "first"),
    [
        (["03/14/2013", "01/02/2013"], "%m/%d/%Y", (2013, 3, 14)),
        (["14/03/2013", "01/02/2013"], "%d/%m/%Y", (2013, 3, 14)),
        (["14.03.2013", "01.02.2013"], "%d.%m.%Y", (2013, 3, 14)),
        (["03.04.13", "01.02.13"], "%d.%m.%y", (2013, 4, 3)),
        (["2017/01/18 23:35:59"], "%Y/%m/%d %H:%M:%S", (2017, 1, 18, 23, 35, 59)),
        (["5 May 2013", "7 Jun 2013"], "%d %b %Y", (2013, 5, 5)),
        (["Mar 3, 2015"], "%b %d, %Y", (2015, 3, 3)),
        (["12/31/99 1:05 PM"], "%m/%d/%y %I:%M %p", (1999, 12, 31, 13, 5)),
        (["8/31/98", "1/2/99"], "%m/%d/%y", (1998, 8, 31)),
        (["6-Aug-09", "10-Aug-09"], "%d-%b-%y", (2009, 8, 6)),
        (["2009-01", "2009-10"], "%Y-%m", (2009, 1, 1)),
        (["1/2009", "12/2009"], "%m/%Y", (2009, 1, 1)),
        (["2002 Jan", "2002 Feb"], "%Y %b", (2002, 1, 1)),
        (["May 2002", "June 2002"], "%B %Y", (2002, 5, 1)),
        (["Jan-2002", "May-2002"], "%b-%Y", (2002, 1, 1)),
        (["31-12-13", "01-02-99"], "%d-%m-%y", (2013, 12, 31)),
        (["12-31-13", "01-02-13"], "%m-%d-%y", (2013, 12, 31)),
        (["99-12-31", "00-01-13"], "%y-%m-%d", (1999, 12, 31)),
        (["5 Aug 09", "31 Jan 13"], "%d %b %y", (2009, 8, 5)),
        (["Dec-99", "Jan-00"], "%b-%y", (1999, 12, 1)),
        (["June 98", "July 98"], "%B %y", (1998, 6, 1)),
        (["1981 Q1", "1981 q4"], "%Y Q%q", (1981, 1, 1)),
        (["1981-Q2", "1982-Q4"], "%Y-Q%q", (1981, 4, 1)),
        (["1981Q3"], "%YQ%q", (1981, 7, 1)),
        (["Q4 1981", "Q1 1982"], "Q%q %Y", (1981, 10, 1)),
        (["Q4/1981", "Q1/1982"], "Q%q/%Y", (1981, 10, 1)),
    ],
)
def test_dates_that_leave_no_doubt_are_read_and_noted(texts, its_format, first):
    found, rows, notes = infer(texts)
    assert (found.kinds, found.date_formats) == ({"c": "date"}, {"c": its_format})
    assert rows[0] == datetime.datetime(*first)
    assert notes == [f"dates are read in c as {its_format}"]


@pytest.mark.parametrize(
    "texts",
    [
        ["2008-09", "2009-10", "2010-11"],  # seasons
        ["1001-02", "4021-11"],  # codes
        ["1.2.10", "1.12.3"],  # versions
        ["1/86", "12/86"],
        *(["1981Q5", "1981Q1"], ["1234Q1"], ["Q1", "Q2"], ["Q1 05"], ["ABC-12", "DEF-13"]),
    ],
)
def test_what_may_be_something_else_than_a_date_is_a_category(texts):
    assert infer(texts)[0].kinds == {"c": "categorical"}


@pytest.mark.parametrize(
    ("texts", "ways"),
    [
        (["12-11-10", "01-02-03"], ["%y-%m-%d", "%d-%m-%y"]),
        (["25/12/45", "31/01/81"], ["%d/%m/%y"]),
        (["Jan-30", "Jan-99"], ["%b-%y"]),
        (["Jan-05", "Dec-31"], ["%b-%y"]),
        (["May 05", "May 06"], ["%b %y"]),
    ],
)
def test_years_of_two_digits_that_may_be_others_are_left_to_the_user(texts, ways):
    sentence = refused(texts)
    for its_format in ways:
        assert f"data.dates.c={its_format}" in sentence
        assert infer(texts, dates={"c": its_format})[0].kinds == {"c": "date"}


@pytest.mark.parametrize("its_format", ["%q", "%Y %m %q", "%Y %Y %q", "%q %d"])
def test_a_quarter_has_a_year_and_nothing_else(its_format):
    assert "data.dates.c is" in refused(["1 1"], dates={"c": its_format})


@pytest.mark.parametrize("its_format", ["%Y Q%q", "%y/%q", "%d.%m.%Y", None])
def test_a_date_is_written_as_it_is_read(its_format):
    moment = datetime.datetime(1981, 10, 1)
    assert values.date(values.date_text(moment, its_format), its_format) == moment


def test_days_that_may_be_months_are_left_to_the_user():
    sentence = refused(["03/04/2013", "12/11/2013"])
    assert 'SET="data.dates.c=%d/%m/%Y"' in sentence
    assert 'SET="data.dates.c=%m/%d/%Y"' in sentence
    assert infer(["03/04/2013", "12/11/2013"], dates={"c": "%d/%m/%Y"})[2] == []


@pytest.mark.parametrize(
    ("usual", "strange"),
    [
        ([f"2013-01-{day:02}" for day in range(1, 31)], "2013-02-30"),
        ([f"2013-01-{day:02}" for day in range(1, 31)], "0000-00-00"),
        ([f"{day}/01/2013" for day in range(1, 31)], "soon"),
        ([f"${amount}.50" for amount in range(30)], "call us"),
        ([f"{share} %" for share in range(30)], "–"),
    ],
)
def test_all_but_a_few_is_a_sentence_with_the_lines_that_mend_it(usual, strange):
    sentence = refused([*usual, strange])
    assert f"{strange!r} (the first in row 31)" in sentence
    assert "data.missing_values=[" in sentence
    assert 'SET="data.categorical=[c]"' in sentence
    found, rows, _ = infer([*usual, strange], missing_values=[strange])
    assert found.kinds["c"] in ("date", "numeric")
    assert rows.isna().tolist() == [False] * 30 + [True]
    assert infer([*usual, strange], categorical=["c"])[0].kinds == {"c": "categorical"}


@pytest.mark.parametrize(
    "texts",
    [
        *(["1.2.10", "3.4.11"], ["10:30", "11:45"], ["3-4", "5-6"], ["4", "4x4", "x"]),
        *(["12 kg", "3 kg"], ["1/2", "3/4"], ["A-12", "B-13"], ["May", "June"]),
        ["03/14/2013", "soon", "late", "01/02/2013"],
    ],
)
def test_other_texts_remain_categories(texts):
    assert infer(texts)[0].kinds == {"c": "categorical"}


_plain = st.from_regex(r"[-+]?[0-9]{1,4}([.,][0-9]{0,4}){0,2}([eE]-?[0-9]{1,2})?", fullmatch=True)


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(st.lists(_plain, min_size=1, max_size=5))
def test_the_usual_spelling_is_that_of_python(texts):
    def number(text):
        try:
            return float(text)
        except ValueError:
            return NAN

    found = number_spelling.Spelling().numbers(np.array(texts, dtype=object))
    np.testing.assert_array_equal(found, [number(text) for text in texts])


_digits = st.sampled_from(
    ["", "0", "00", "1", "01", "3", "12", "13", "23", "24", "29", "31", "59", "60", "61"]
)
_years = st.sampled_from(["0000", "0001", "1500", "1969", "2000", "2013", "9999", "13", "69", "99"])
_zones = st.sampled_from(["", "Z", "z", "+01:00", "-0530", "+14", "+25:00", " +01:00"])


@st.composite
def _date_texts(draw, its_format):
    text = its_format or draw(
        st.sampled_from(["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S.%f"])
    )
    names = {
        "%b": ["Mar", "MAR", "March", "x"],
        "%B": ["March", "May", "mar"],
        "%p": ["PM", "am", ""],
    }
    for part in ("%d", "%m", "%H", "%I", "%M", "%S", "%f", "%q"):
        text = text.replace(part, draw(_digits))
    for part, texts in names.items():
        text = text.replace(part, draw(st.sampled_from(texts)))
    text = text.replace("%Y", draw(_years)).replace("%y", draw(_years))
    return text + (
        draw(_zones) if its_format is None else draw(st.sampled_from(["", "", "1", " "]))
    )


@pytest.mark.parametrize(
    "its_format", [*date_spelling._FORMATS[::7], "%Y%m%d", "%Y-Q%q", "%d/%m/%Y %z"]
)
def test_a_column_of_dates_is_read_as_each_date_is(its_format):
    @settings(max_examples=60, deadline=None, derandomize=True, database=None)
    @given(st.lists(_date_texts(its_format), min_size=1, max_size=8))
    def same(texts):
        found = date_spelling.dates(pd.Series(texts, dtype=object), its_format).to_numpy()
        each = [np.datetime64(values.date(text, its_format) or "NaT", "us") for text in texts]
        np.testing.assert_array_equal(found, np.array(each))

    same()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        *(("00037", "00037"), ("007", "007"), ("1e5", "1e5"), ("NA", "NA"), (" a ", "a")),
        *(
            (37, "37"),
            (37.0, "37"),
            ("37.0", "37"),
            (0.5, "0.5"),
            (-0.0, "0"),
            (np.float32(0.1), "0.1"),
        ),
        *((True, "True"), ("true", "True"), ("FALSE", "False"), (np.bool_(False), "False")),
        *((2**60 + 1, str(2**60 + 1)), (1e16, "1e+16"), ("1.10", "1.10"), ("00.0", "00.0")),
    ],
)
def test_a_category_is_the_text_that_a_file_has(value, text):
    assert values.category(value) == text
    assert values.category(text) == text


def _problems(columns_of_texts, **keys):
    frame = pd.DataFrame(columns_of_texts, dtype=object)
    config = DataConfig(source="d.csv", target="y", **keys)
    _, errors = kinds.infer(frame, config)
    return str(problems.refusal(config, {}, errors))


def test_many_ambiguous_columns_take_one_sentence_and_one_line():
    amounts = {f"amount {n}": ["51,494", "697"] for n in range(40)}
    days = {f"day {n}": ["03/04/2013", "12/11/2013"] for n in range(40)}
    sentence = _problems({**amounts, **days})
    assert len(sentence) <= problems.LONGEST
    assert (
        "column 'amount 0' holds numbers like '51,494', which may mean 51494 or 51.494" in sentence
    )
    assert "more columns like these; the line takes the first way for each: SET=" in sentence
    assert sentence.count("SET=") == 1


def test_the_line_for_two_columns_mends_both():
    texts = {"c": ["51,494", "697"], "d": ["03/04/2013", "12/11/2013"]}
    sentence = _problems(texts)
    assert sentence.endswith('SET="data.numbers.c=1,234.5 data.dates.d=%d/%m/%Y"')
    config = DataConfig(
        source="d.csv", target="y", numbers={"c": "1,234.5"}, dates={"d": "%d/%m/%Y"}
    )
    assert kinds.infer(pd.DataFrame(texts), config)[1] == []


@pytest.mark.parametrize("strange", ["x" * 5000, 'a "quoted" text, ' * 9])
def test_long_texts_and_names_take_a_short_sentence(strange):
    usual = [f"${amount}.50" for amount in range(100)]
    sentence = _problems({"n" * 100: [*usual, *(f"{n} {strange}" for n in range(4))]})
    assert len(sentence) <= problems.LONGEST
    assert 'SET="data.categorical=[nnn' in sentence


def test_wrong_values_of_columns_are_reported_together():
    rows = pd.DataFrame({f"d{n}": ["soon " * 999, "01.02.2013"] for n in range(50)}, dtype=object)
    config = DataConfig(source="d.csv", target="y", dates=dict.fromkeys(rows, "%d.%m.%Y"))
    found, _ = kinds.infer(rows, config)
    with pytest.raises(UserError) as caught:
        found.coerce(rows)
    assert "column 'd1' is date but holds 'soon soon" in str(caught.value)
    assert str(caught.value).endswith("; and 47 more like these")
    assert len(str(caught.value)) <= problems.LONGEST
