"""Labels that arrive later: read as the training data was, and none at all on the first day."""

import datetime
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pyarrow
import pytest
from pyarrow import parquet

from mlops_kit.core.errors import UserError
from mlops_kit.core.values import MISSING
from mlops_kit.experiments.metrics import Metric
from mlops_kit.experiments.settings import TrainConfig
from mlops_kit.monitoring import performance
from mlops_kit.monitoring.recorded_rows import Window

from ml_template import metrics as own

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
    probabilities = pd.DataFrame({first: sure, second: [1 - each for each in sure]})
    return window(probabilities.assign(prediction=[first, second] * (ROWS // 2)))


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


def test_missing_column_is_reported_without_rows(checkout):
    Path("labels.csv").write_text("request_id,come out\n")
    with pytest.raises(UserError, match=r"no column 'came out' \(did you mean 'come out'\?\)"):
        measure("labels.csv", EMPTY)


def test_an_own_metric_finds_the_model_s_own_class(checkout, monkeypatch):
    def missed(predictions, weights):
        positives = predictions.truth == predictions.classes.index(1)
        found = positives & (predictions.predicted == predictions.truth)
        return 1 - weights[found].sum() / weights[positives].sum()

    monkeypatch.setitem(own.METRICS, "classification", {"missed": Metric(missed, loss=True)})
    found = replace(classes("0", "1"), classes={"0": 0, "1": 1})
    # Every other row is predicted as 1; of those with the label 1 three quarters are missed.
    done = measure(csv([int(n % 8 in (0, 2, 4, 1)) for n in range(ROWS)]), found, "classification")
    assert done.metrics["missed"].value == 0.75


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


def test_labels_count_by_the_weights_of_the_run(checkout):
    rows = "".join(f"{n:04},{n},{weight}\n" for n, weight in enumerate([9, 1, "0"] * 10))
    Path("labels.csv").write_text(f"request_id,came out,times\n{rows}")
    answers = NUMBERS.answers.assign(prediction=lambda each: each["prediction"] + each.index % 3)
    found = measure("labels.csv", window(answers), weight="times")
    assert found.metrics["mae"].value == pytest.approx((9 * 0.5 + 1.5) / 10)
    assert measure("labels.csv", window(answers)).metrics["mae"].value == pytest.approx(1.5)
    with pytest.raises(UserError, match=r"no column 'often' \(data.weight of the run\)"):
        measure("labels.csv", window(answers), weight="often")
    Path("labels.csv").write_text(f"request_id,came out,times\n{rows.replace(',9', ',-1')}")
    with pytest.raises(UserError, match=r"holds '-1' in 'times'; accepted: numbers, 0 or more"):
        measure("labels.csv", window(answers), weight="times")


def test_days_are_those_of_the_predictions_and_need_enough_labels(checkout):
    tomorrow = TODAY + datetime.timedelta(hours=24)
    late = [TODAY] * 15 + [tomorrow] * (ROWS - 15)
    found = Window(NUMBERS.keys.assign(time=late), NUMBERS.answers)
    done = measure(csv([n + 0.5 for n in range(ROWS)]), found)
    assert [(each.day, each.labels) for each in done.days] == [("2026-01-02", ROWS - 15)]
    assert done.days[0].estimate.value == 0


def test_of_several_labels_the_last_that_is_known_counts(checkout):
    Path("labels").mkdir()
    right = [n + 0.5 for n in range(ROWS)]
    for name, labels in {"a": [0.25] * ROWS, "b": right, "c": ["", *right[1:]]}.items():
        Path(csv(labels)).rename(f"labels/{name}.csv")
    done = measure("labels")
    assert (done.labels, done.metrics["mae"].value) == (ROWS, 0)
    assert (done.replaced, done.unknown) == (ROWS, 0)
