"""Real tables, each of which the first release refused or misread without a message."""

import shlex
import shutil
from pathlib import Path

import pytest

from mlops_kit import data
from mlops_kit.core.errors import UserError
from mlops_kit.data.problems import LONGEST
from mlops_kit.experiments.training import describe

CASES = Path(__file__).parents[1] / "cases"

# Tables that a person has to decide about: a part of the message, the keys of its first line, and the features then.
ASKED = [
    ("thousands.csv bought", "'51,494', which may mean 51494 or 51.494", {"amount": "numeric"}),
    ("tokens.csv bought", "'5+', '<1', 'n/k', '10-12', 'half'", {"weeks": "categorical"}),
    ("trend.csv population", "which may be a leak (quarter)", {"rate": "numeric"}),
    ("decimal_mixed.csv price", "but 3 under ';'", {"income": "numeric", "ratio": "numeric"}),
]
# Tables that are trained on: a part of the summary, the number of rows, and the features.
TRAINED = [
    ("few_categories.csv survived", "test rows are duplicates", 600, {"class", "sex", "adult"}),
    ("titanic_public.csv.gz survived", "test rows are", 2201, {"class", "age", "sex"}),
    ("missing_target.csv y", "left out: 6 rows without a target", 294, {"x", "z"}),
    ("names.csv survived", "in nearly every row (name)", 300, {"age"}),
    ("zip.csv price", "regression", 300, {"zip", "amount"}),
    ("minus999.csv price", "regression", 300, {"score", "region"}),
]


@pytest.fixture
def load(settings, checkout):
    """A function from "FILE TARGET" and further settings to the rows that a run has."""

    def read(case, more=""):
        file, target = case.split()
        shutil.copy(CASES / file, checkout)
        own = f"task=auto data.source={file} data.target={target} {more}"
        return data.load(settings(own))

    return read


@pytest.mark.parametrize(("case", "sentence", "kinds"), ASKED)
def test_undecidable_columns_are_refused_once_with_a_line_that_mends_them(
    load, case, sentence, kinds
):
    with pytest.raises(UserError) as caught:
        load(case)
    message = str(caught.value)
    assert sentence in message
    assert len(message) <= LONGEST
    line = shlex.split(message[message.index("SET=") :])[0]
    found = load(case, line.partition("=")[2]).columns.kinds
    assert kinds.items() <= found.items()


@pytest.mark.parametrize(("case", "note", "rows", "columns"), TRAINED)
def test_what_needs_nobody_trains_at_the_first_try(load, case, note, rows, columns):
    found = load(case)
    assert note in describe(found)
    assert len(found.train_rows) + len(found.test_rows) == rows
    assert set(found.columns.kinds) == columns


def test_all_texts_of_a_mixed_column_are_reported_at_once(load):
    with pytest.raises(UserError) as caught:
        load("tokens.csv bought")
    texts = ["5+", "<1", "n/k", "10-12", "half", "about 3", "~4", "2x", "15+", "?"]
    assert [text for text in texts if repr(text) not in str(caught.value)] == []


def test_thousands_are_never_fractions_without_a_setting(load):
    found = load("thousands.csv bought", "data.numbers.amount=1,234.5")
    assert found.train_rows["amount"].max() > 10_000
    assert not (found.train_rows["amount"] % 1).any()
