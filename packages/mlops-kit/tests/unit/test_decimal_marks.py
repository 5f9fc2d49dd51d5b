"""Points that may part thousands in a file whose fractions have a comma, or may have one."""

import pytest

from mlops_kit import data
from mlops_kit.core.errors import UserError

ROWS = 60
WORDS = ["red", "green", "blue"]

pytestmark = pytest.mark.usefixtures("checkout")


def load(checkout, settings, people, others, delimiter=";", overrides=""):
    """Load a file of two columns beside the target; their texts come round again."""
    lines = [
        delimiter.join([people[n % len(people)], others[n % len(others)], str(n % 2)])
        for n in range(ROWS)
    ]
    header = delimiter.join(["people", "other", "y"])
    (checkout / "data.csv").write_text("\n".join([header, *lines, ""]))
    found = data.load(
        settings(f"\"data.delimiter='{delimiter}'\" data.keep=[people,other] {overrides}")
    )
    return sorted(set(found.train_rows["people"].dropna()))


@pytest.mark.parametrize(
    ("people", "others", "delimiter"),
    [
        (["4.450", "87.032", "850"], ["1,5", "2,25", "3"], ";"),
        (["4.450", "87.032", "850"], ['"1,5"', '"2,25"', '"3"'], ","),
        (["4.000", "850", ""], ["1,5", "0,75"], "|"),
        (["4.450", "NA", "-7.000"], WORDS, ";"),  # no column shows what a point is
        (["4.450", "850"], ["10", "20", "30"], ";"),
    ],
)
def test_points_that_may_part_thousands_are_left_to_the_user(
    checkout, settings, people, others, delimiter
):
    with pytest.raises(UserError, match=r"'people' holds numbers like '4\..*may mean 4") as caught:
        load(checkout, settings, people, others, delimiter)
    grouped, plain = "data.numbers.people=1.234,5", "data.numbers.people=1234.5"
    assert f'SET="{grouped}"' in str(caught.value)
    assert f'SET="{plain}"' in str(caught.value)
    thousands = load(checkout, settings, people, others, delimiter, grouped)
    fractions = load(checkout, settings, people, others, delimiter, plain)
    assert {4450, 4000} & set(thousands)
    assert max(fractions) <= 850


@pytest.mark.parametrize(
    ("people", "others", "delimiter"),
    [
        (["4.450", "87.032"], WORDS, ","),  # a point marks fractions where a comma separates fields
        (["4.450", "87.032"], ["0.5", "1.25"], ";"),  # and where another column shows it
        (["4.450", "87.032"], ["0.500", "1.250"], ";"),
        (["4.45", "87.032"], ["1,5", "2,5"], ";"),
        (["4.450", "0.512"], ["1,5", "2,5"], ";"),
        (["4.450", "1850"], ["1,5", "2,5"], ";"),
        (["4.4501", "3.000"], ["1,5", "2,5"], ";"),
    ],
)
def test_points_that_mark_fractions_are_read_as_such(checkout, settings, people, others, delimiter):
    assert load(checkout, settings, people, others, delimiter) == sorted(map(float, people))


def test_whole_numbers_with_gaps_leave_no_doubt(checkout, settings):
    assert load(checkout, settings, ["4", "", "850"], ["1,5", "2,25"]) == [4, 850]


def test_the_target_may_have_thousands_too(checkout, settings):
    lines = [f"{n};{n + 1}.{n % 10}50" for n in range(ROWS)]
    (checkout / "data.csv").write_text("\n".join(["x;y", *lines, ""]))
    with pytest.raises(UserError, match=r"'y' holds numbers like '1.050', which may mean 1050 or"):
        data.load(settings("data.delimiter=; task=auto validation.metric=r2"))
