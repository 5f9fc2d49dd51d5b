"""Labels that arrive later: read as the training data was, and none at all on the first day."""

import datetime
from pathlib import Path

import pandas as pd
import pyarrow
import pytest
from pyarrow import parquet

from mlops_kit.core.errors import UserError
from mlops_kit.core.values import MISSING
from mlops_kit.experiments.settings import TrainConfig
from mlops_kit.monitoring import performance
from mlops_kit.monitoring.recorded_rows import Window

ROWS = 40
TODAY = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)
EMPTY = Window(
    pd.DataFrame().reindex(columns=["time", "request_id", "row"]),
    pd.DataFrame().reindex(columns=["prediction"]),
)


def window(answers):
    """Return a window of ROWS requests of one row each."""
    ids = [f"{n:04}" for n in range(ROWS)]
    return Window(pd.DataFrame({"time": TODAY, "request_id": ids, "row": 0}), answers)


NUMBERS = window(pd.DataFrame({"prediction": [n + 0.5 for n in range(ROWS)]}))


def classes(first, second):
    """Return a window in which the classes take turns, each with a probability of 0.9."""
    sure = [0.9, 0.1] * (ROWS // 2)
    said = pd.DataFrame({first: sure, second: [1 - each for each in sure]})
    return window(said.assign(prediction=[first, second] * (ROWS // 2)))


def measure(source, found=NUMBERS, task="regression", **data):
    metric = "mae" if task == "regression" else "accuracy"
    config = TrainConfig(
        experiment="e",
        registered_model="m",
        task=task,
        data={"source": "rows.csv", "target": "came out", **data},
        validation={"metric": metric},
    )
    return performance.measure(source, found, config, {}, 20)


def csv(labels, delimiter=","):
    """Write a label for each of the first requests."""
    lines = [f"{n:04}{delimiter}0{delimiter}{label}\n" for n, label in enumerate(labels)]
    Path("labels.csv").write_text(
        delimiter.join(["request_id", "row", "came out\n"]) + "".join(lines)
    )
    return "labels.csv"


def empty_parquet(groups):
    table = pyarrow.table({"request_id": [], "came out": []})
    with parquet.ParquetWriter("labels.parquet", table.schema) as writer:
        for _ in range(groups):
            writer.write_table(table)
    return "labels.parquet"


@pytest.mark.parametrize("task", ["regression", "classification"])
@pytest.mark.parametrize("known", [True, False])
def test_without_rows_there_are_no_labels_yet(checkout, task, known):
    found = classes("no", "yes") if task == "classification" else NUMBERS
    found = found if known else EMPTY
    Path("short.csv").write_text("request_id,came out\n")
    sources = ["short.csv", csv([]), empty_parquet(0), empty_parquet(1)]
    if not known:
        Path("some.csv").write_text("request_id,came out\n0001,1\n")
        sources.append("some.csv")
    for source in sources:
        done = measure(source, found, task)
        assert (done.labels, done.metrics, done.worse) == (0, {}, False)


def test_without_rows_a_column_that_is_not_there_is_told_all_the_same(checkout):
    Path("labels.csv").write_text("request_id,come out\n")
    with pytest.raises(UserError, match=r"no column 'came out' \(did you mean 'come out'\?\)"):
        measure("labels.csv", EMPTY)


def test_numbers_are_read_with_the_decimal_comma_of_the_config(checkout):
    source = csv([f"{n},5" for n in range(ROWS)], ";")
    done = measure(source, decimal=",", delimiter=";")
    assert (done.labels, done.metrics["mae"].value) == (ROWS, 0)


def test_numbers_that_are_missing_are_no_labels(checkout):
    gone = ["?", "NA", "nan", "", "-999", "-999.00"]
    source = csv([*gone, *(n + 0.5 for n in range(len(gone), ROWS))])
    done = measure(source, missing_values=[*MISSING, "?", "-999"])
    assert (done.labels, done.metrics["mae"].value) == (ROWS - len(gone), 0)


@pytest.mark.parametrize(
    ("names", "spelled"),
    [
        (("no", "yes"), ("no", "yes")),
        (("1", "2"), ("1.0", "02")),
        (("true", "false"), ("True", "FALSE")),
    ],
)
def test_classes_are_read_as_training_read_them(checkout, names, spelled):
    gone = ["?", "NA", "nan", ""]
    source = csv([*gone, *spelled * ((ROWS - len(gone)) // 2)], ";")
    done = measure(
        *(source, classes(*names), "classification"),
        **{"missing_values": [*MISSING, "?"], "decimal": ",", "delimiter": ";"},
    )
    assert (done.labels, done.metrics["accuracy"].value) == (ROWS - len(gone), 1)


def test_ids_and_places_are_never_missing(checkout):
    source = csv([n + 0.5 for n in range(ROWS)])
    assert measure(source, missing_values=["0", "0001"]).labels == ROWS


@pytest.mark.parametrize(
    ("label", "found", "task", "sentence"),
    [
        ("?", NUMBERS, "regression", "column 'came out' is numeric but holds '\\?' in row 1$"),
        ("?", classes("no", "yes"), "classification", "holds '\\?'; accepted: no, yes$"),
    ],
)
def test_labels_that_the_model_does_not_know_are_a_sentence(checkout, label, found, task, sentence):
    with pytest.raises(UserError, match=rf"^labels labels\.csv:? {sentence}"):
        measure(csv([label] * ROWS), found, task)
