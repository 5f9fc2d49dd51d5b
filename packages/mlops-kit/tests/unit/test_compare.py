"""The challenger beside the champion, by what was recorded of both: the same rows in shadow, rows of its own in share."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from mlops_kit.core.errors import UserError
from mlops_kit.data import Columns
from mlops_kit.experiments import promotion
from mlops_kit.experiments.settings import TrainConfig
from mlops_kit.monitoring import compare, recorded_rows
from mlops_kit.monitoring.comparison import Comparison
from mlops_kit.monitoring.latency import latency
from mlops_kit.monitoring.settings import MonitorConfig
from mlops_kit.monitoring.span import span
from mlops_kit.serving.metrics import Measures
from mlops_kit.serving.recorder import Recorder
from mlops_kit.serving.settings import RecordConfig

ROWS = 200
TRUTH = np.arange(ROWS) % 2  # of every second row the class is yes
YES = 0.8 * TRUTH + 0.1  # the probability of one that is always right
START = 1_750_000_000  # seconds; a row is predicted each second
CARD = {"registered_model": "m", "run_id": "r", "columns": [], "derived": []}
CARD["parity"] = {"scale": 5.0}  # of the test set; the recorded rows have another spread


def record(
    version, answers, ids=None, classes=(), later=0, took=lambda number: 0.002, mode="shadow"
):
    """Record the answers of a version to requests of one row each, one each second, that `took` so many seconds.

    Version 8 is the challenger, which predicts in `mode`.
    """
    card = {**CARD, "version": version, "classes": list(classes)}
    its = mode if version == "8" else None
    recorder = Recorder(RecordConfig(folder="kept"), card, Measures(card), its)
    for number, answer in zip(range(ROWS) if ids is None else ids, answers):
        recorder.offer(f"{number:04}", {}, [answer], took(number))
    recorder.start()
    recorder.close()
    path = max(Path("kept").iterdir())
    first, *rows = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    rows = [{**row, "time": START + later + n} for n, row in enumerate(rows)]
    path.write_text("".join(f"{json.dumps(each)}\n" for each in (first, *rows)), encoding="utf-8")


def classified(version, yes, ids=None, classes=("no", "yes"), later=0, mode="shadow"):
    """Record a version's answers by the probability of yes; further classes have the probability 0."""
    rest = dict.fromkeys(classes[2:], 0.0)
    answers = [
        {
            "prediction": "yes" if p > 0.5 else "no",
            "probabilities": {"no": 1 - p, "yes": float(p), **rest},
        }
        for p in yes
    ]
    record(version, answers, ids, classes, later, mode=mode)


def predicted(version, numbers, ids=None, **more):
    record(version, [{"prediction": float(number)} for number in numbers], ids, **more)


def label(values, ids=None):
    """Write a label for each request."""
    with Path("labels.csv").open("w", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(["request_id", "y"])
        lines.writerows([f"{n:04}", v] for n, v in zip(range(ROWS) if ids is None else ids, values))
    return "labels.csv"


def compared(labels="", task="classification", rows=100):
    """Compare version 7, the champion, with version 8, by what was recorded."""
    metric = "accuracy" if task == "classification" else "mae"
    config = TrainConfig(
        experiment="e",
        registered_model="m",
        task=task,
        data={"source": "rows.csv", "target": "y"},
        validation={"metric": metric},
    )
    when = span("2020-01-01", "2100-01-01", 7)
    with recorded_rows.local_files("kept", when) as files:
        windows = [recorded_rows.window(files, Columns({}), "m", v, when) for v in ("7", "8")]
    done = Comparison("m", "7", "8", "then", "now", metric)
    compare.evaluate(MonitorConfig(rows=rows), config, *windows, labels, done)
    return done


def classes_of(numbers):
    return ["yes" if number else "no" for number in numbers]


def test_in_shadow_the_share_of_the_same_class_has_wilsons_interval(checkout):
    classified("7", YES)
    classified("8", np.where(np.arange(ROWS) < 20, 1 - YES, YES))
    done = compared()
    assert (done.mode, done.rows, done.notes) == ("shadow", (ROWS, ROWS), [])
    found = done.agreement
    assert (found.share, found.difference) == (0.9, pytest.approx(0.08))
    # Wilson (1927) by hand, of 180 among 200.
    z, n, p = 1.959964, 200, 0.9
    half = z * (p * (1 - p) / n + z**2 / (4 * n**2)) ** 0.5 / (1 + z**2 / n)
    middle = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    assert [found.lower, found.upper] == pytest.approx([middle - half, middle + half], abs=1e-6)


def test_numbers_agree_within_a_tenth_of_the_spread_on_the_champions_test_set(checkout):
    numbers = np.where(TRUTH, 10.0, -10.0)  # a spread of 10
    predicted("7", numbers)
    predicted("8", numbers + np.where(np.arange(ROWS) < 50, 0.51, 0.49))
    found = compared(task="regression").agreement
    assert (found.share, found.difference) == (0.75, pytest.approx(0.495))


@pytest.mark.parametrize(
    ("champion", "challenger", "result", "gain"),
    [
        (np.where(np.arange(ROWS) < 20, 1 - YES, YES), YES, "better", 0.1),
        (YES, np.where(np.arange(ROWS) < 20, 1 - YES, YES), "worse", -0.1),
        (YES, YES, "no difference shown", 0.0),
    ],
)
def test_labels_decide_by_the_paired_gain(checkout, champion, challenger, result, gain):
    classified("7", champion)
    classified("8", challenger)
    done = compared(label(classes_of(TRUTH)))
    measured = done.metrics["accuracy"]
    assert done.result == result
    assert measured.gain.value == pytest.approx(gain)
    assert measured.challenger.value - measured.champion.value == pytest.approx(gain)
    assert done.sentence.startswith(f"{result}: gain in accuracy ")
    assert "200 labels" in done.sentence


def test_of_a_loss_less_is_a_gain(checkout):
    truth = np.arange(ROWS, dtype=float)
    predicted("7", truth + 2)
    predicted("8", truth + 0.5)
    done = compared(label(truth), "regression")
    assert (done.result, done.metrics["mae"].gain.value) == ("better", pytest.approx(1.5))


def test_the_latency_of_each_is_that_of_its_requests(checkout):
    predicted("7", TRUTH, took=lambda number: 0.001)
    assert compared(task="regression").latencies == ()
    predicted("8", TRUTH, took=lambda number: number / 1000)
    done = compared(task="regression")
    champion, challenger = done.latencies
    assert (champion.requests, champion.median, champion.p99) == (ROWS, 1, 1)
    assert [challenger.median, challenger.p99] == pytest.approx([99.5, 197.01])
    assert done.took().startswith("champion 1.00 ms (p99 1.00 ms), challenger 99.50 ms (p99 197.01")
    assert done.took().endswith("whose process comes last on the processor")


def test_a_request_of_many_rows_counts_once_for_latency(checkout):
    card = {**CARD, "version": "7", "classes": []}
    recorder = Recorder(RecordConfig(folder="kept"), card, Measures(card))
    for number, (rows, seconds) in enumerate([(97, 0.5), (1, 0.001), (1, 0.001)]):
        recorder.offer(str(number), {}, [{"prediction": 1.0}] * rows, seconds)
    recorder.start()
    recorder.close()
    when = span("2020-01-01", "2100-01-01", 7)
    with recorded_rows.local_files("kept", when) as files:
        found = latency(recorded_rows.window(files, Columns({}), "m", "7", when))
    assert (found.requests, found.median) == (3, 1)


def test_pairing_shows_what_two_samples_would_not(checkout):
    """Two of 200 rows more are right: of the same rows that is little noise, of others it is nothing."""
    hard = np.arange(ROWS) < 100
    champion = np.where(hard, 1 - YES, YES)
    better = np.where(np.arange(ROWS) < 6, YES, champion)
    classified("7", champion)
    classified("8", better)
    assert compared(label(classes_of(TRUTH))).result == "better"
    others = np.arange(ROWS) + 1000
    for file in Path("kept").iterdir():
        file.unlink()
    classified("7", champion)
    classified("8", better, others, mode="share")
    labels = label(classes_of([*TRUTH, *TRUTH]), [*range(ROWS), *others])
    done = compared(labels)
    assert (done.mode, done.agreement) == ("share", None)
    assert done.result == "no difference shown"


def test_in_share_each_side_has_its_own_rows_and_labels(checkout):
    others = np.arange(150) + 1000
    classified("7", np.where(np.arange(ROWS) < 100, 1 - YES, YES))
    classified("8", YES[:150], others, later=25, mode="share")
    done = compared(label(classes_of([*TRUTH, *TRUTH[:150]]), [*range(ROWS), *others]))
    assert (done.mode, done.rows, done.labels) == ("share", (150, 150), (150, 150))
    measured = done.metrics["accuracy"]
    assert (measured.champion.value, measured.challenger.value) == (0.5, 1.0)  # 25 to 175
    assert measured.gain.value == 0.5
    # The challenger is always right, so all the noise is the champion's.
    assert measured.gain.lower == pytest.approx(1 - measured.champion.upper, abs=0.02)
    assert done.result == "better"


def test_in_share_rows_of_a_time_that_only_one_has_do_not_count(checkout):
    classified("7", YES)
    classified("8", YES[:120], np.arange(120) + 1000, later=150, mode="share")
    done = compared(rows=60)
    assert (done.mode, done.rows) == ("share", (50, 50))
    assert done.more_rows == 10


def test_too_few_rows_are_insufficient_data_and_how_many_more_are_needed(checkout):
    classified("7", YES)
    done = compared(rows=120)
    assert (done.result, done.more_rows) == ("insufficient data", 120)
    assert "200 rows of version 7 and 0 of version 8, 120 are needed: 120 more" in done.sentence
    classified("8", YES[:110], range(110))
    done = compared(rows=120)
    assert (done.mode, done.more_rows, done.more_labels) == ("shadow", 10, 120)
    assert "110 rows that both versions have, 120 are needed: 10 more" in done.sentence
    done = compared(rows=100)
    assert "no labels are named (DATA=…), 100 are needed" in done.sentence
    done = compared(label(classes_of(TRUTH[:30]), range(30)), rows=100)
    assert (done.result, done.more_rows, done.more_labels, done.metrics) == (
        *("insufficient data", 0),
        *(70, {}),
    )
    assert "30 labels that both versions have, 100 are needed: 70 more" in done.sentence


def test_undefined_metric_is_insufficient_data(checkout):
    truth = np.ones(ROWS)
    predicted("7", truth)
    predicted("8", truth)
    done = compared(label(truth), "regression")
    done.metric = "r2"
    done.set_result(100, True)
    assert done.sentence == "insufficient data: r2 is not defined on these rows"


def test_the_mode_is_what_the_challenger_recorded(checkout):
    """The request ids would have it otherwise: repeated by clients in share, not recorded of the champion in shadow."""
    classified("7", YES)
    classified("8", YES[:80], range(80), mode="share")
    assert (compared(rows=60).mode, compared(rows=60).agreement) == ("share", None)
    for file in Path("kept").iterdir():
        file.unlink()
    classified("7", YES[:20], range(20))
    classified("8", YES)
    done = compared(rows=60)
    assert (done.mode, done.rows, done.more_rows) == ("shadow", (20, 20), 40)


def test_only_the_rows_of_the_last_mode_are_compared(checkout):
    classified("7", YES)
    classified("8", YES[:30], later=-500, mode=None)
    classified("8", YES[:40])
    classified("8", YES[:120], np.arange(120) + 1000, later=50, mode="share")
    done = compared()
    assert (done.mode, done.rows) == ("share", (120, 120))
    assert done.notes[0].startswith("70 rows of version 8 are left out")


def test_rows_that_no_challenger_predicted_are_not_compared(checkout):
    classified("7", YES)
    classified("8", YES, mode=None)
    done = compared(rows=120)
    assert (done.mode, done.rows, done.more_rows) == ("", (ROWS, 0), 120)
    assert done.notes[0].startswith("200 rows of version 8 are left out")


def test_request_ids_that_occur_twice_are_left_out(checkout):
    classified("7", [*YES, 0.5], [*range(ROWS), 0])
    classified("8", YES)
    done = compared()
    assert done.rows == (ROWS - 1, ROWS - 1)
    assert done.notes[0].startswith("1 rows of version 8 are left out")


def test_a_class_that_the_champion_does_not_know_has_no_probability_there(checkout):
    classified("7", YES)
    classified("8", YES, classes=("no", "yes", "maybe"))
    done = compared(label(["maybe", "maybe", *classes_of(TRUTH[2:])]))
    assert done.agreement.share == 1
    assert done.metrics["accuracy"].champion.value == pytest.approx(0.99)
    assert done.result == "no difference shown"


def test_the_report_and_the_summary_hold_the_result(checkout):
    classified("7", YES)
    classified("8", 1 - YES)
    done = compared(label(classes_of(TRUTH)))
    done.write()
    report = json.loads(Path("reports/compare.json").read_text(encoding="utf-8"))
    assert (report["champion"], report["challenger"], report["result"]) == ("7", "8", "worse")
    assert report["metrics"]["accuracy"]["gain"]["value"] == -1
    summary = Path("reports/summary.md").read_text(encoding="utf-8")
    assert (
        f"## Compare\n\nm version 8 against version 7, from then to now.\n\n**{done.sentence}.**"
        in summary
    )
    assert "| accuracy | 1.0000 | 0.0000 | -1.0000 | -1.0000 to -1.0000 |" in summary


def test_a_promotion_rests_on_a_comparison_of_exactly_these_versions(checkout):
    assert promotion.rests_on("m", "7", "8", "") == "nothing was compared"
    classified("7", YES)
    classified("8", 1 - YES)
    done = compared(label(classes_of(TRUTH)))
    done.write()
    for other in (("n", "7", "8"), ("m", "6", "8"), ("m", "7", "9"), ("m", "", "8")):
        assert promotion.rests_on(*other, "") == "nothing was compared"
    with pytest.raises(UserError, match=r"^version 8 of m is worse: .*REASON=\"…\""):
        promotion.rests_on("m", "7", "8", "")
    assert promotion.rests_on("m", "7", "8", "it is cheaper") == done.sentence
    done.set_result(ROWS + 1, True)
    done.write()
    assert promotion.rests_on("m", "7", "8", "").startswith("insufficient data: ")


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"model": "m"}'])
def test_a_damaged_report_is_no_ground_for_a_promotion(checkout, text):
    Path("reports").mkdir()
    Path("reports/compare.json").write_text(text)
    with pytest.raises(UserError, match=r"reports/compare\.json is damaged: make compare"):
        promotion.rests_on("m", "7", "8", "")
