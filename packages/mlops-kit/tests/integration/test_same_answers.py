"""What the service answers over HTTP is what the pipeline predicts, for rows that nobody thought of."""

import datetime
import json

import numpy as np
import pandas as pd
import pytest
import requests
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from mlops_kit.core.values import category

pytestmark = pytest.mark.slow

LARGEST = 3.4028234663852886e38
CLOSE = (
    1e-5  # of a probability; a number by the predictions' spread, or by itself where it is larger
)

# What is drawn is the same in every run, so that a failure is one for everybody.
drawn = settings(
    max_examples=30,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],  # to shrink a failing example takes minutes
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def zone(minutes):
    return datetime.timezone(datetime.timedelta(minutes=minutes))


def iso_dates():
    """Dates, dates with times, and times with zones, as texts; none leaves the years 1 to 9999 in UTC."""
    first, last = datetime.datetime(1, 1, 2), datetime.datetime(9999, 12, 30)
    times = st.datetimes(first, last)
    zones = st.integers(-23 * 60, 23 * 60).map(zone)
    return st.one_of(
        times.map(lambda time: time.date().isoformat()),
        times.map(datetime.datetime.isoformat),
        st.builds(lambda time, its_zone: time.replace(tzinfo=its_zone).isoformat(), times, zones),
    )


def own_dates(its_format):
    # strftime writes years before 1000 without their zeros on Linux.
    return st.dates(datetime.date(1000, 1, 1)).map(lambda day: day.strftime(its_format))


def numbers(column):
    seen = st.floats(column["minimum"], column["maximum"])
    extreme = st.floats(-LARGEST, LARGEST, allow_nan=False)
    return st.one_of(seen, extreme, st.integers(-(10**20), 10**20))


def texts(column):
    drawn_texts = st.one_of(st.sampled_from(column["categories"]), st.text(max_size=20))
    if column["missing"]:
        return drawn_texts
    return drawn_texts.filter(lambda text: category(text) not in column["missing_values"])


def values(column):
    """Draw what a request may hold for one column of model.json."""
    of_kind = {
        "numeric": numbers,
        "boolean": lambda _: st.booleans(),
        "categorical": texts,
        "date": lambda column: own_dates(column["format"]) if column["format"] else iso_dates(),
    }
    drawn_values = of_kind[column["kind"]](column)
    return st.none() | drawn_values if column["missing"] else drawn_values


def rows_of(columns):
    row = st.fixed_dictionaries({column["name"]: values(column) for column in columns})
    return st.lists(row, min_size=1, max_size=10)


def table(rows):
    """Return rows as a table: texts, numbers and None, as a file with them would be read."""
    return pd.DataFrame(rows, dtype=object)


def expected_of(stored, rows):
    # Row by row, because pandas 2 gives a time without a zone the zone of the row before it.
    frame = pd.concat([stored.columns.coerce(table([row])) for row in rows], ignore_index=True)
    if hasattr(stored.pipeline, "predict_proba"):
        return stored.pipeline.predict_proba(frame)
    return stored.pipeline.predict(frame).reshape(-1, 1)


def found_in(answer, labels):
    if not labels:
        return np.array([[one["prediction"]] for one in answer["predictions"]])
    keys = [label if isinstance(label, str) else json.dumps(label) for label in labels]
    return np.array([[one["probabilities"][key] for key in keys] for one in answer["predictions"]])


@pytest.mark.parametrize(
    ("name", "form"),
    [("binary", "onnx"), ("classes", "onnx"), ("number", "onnx"), ("binary", "skops")],
)
def test_the_service_answers_as_the_pipeline_predicts(exported, served, name, form):
    model, service = exported(name, form), served(name, form)
    card, session = model.card, requests.Session()

    @drawn
    @given(rows_of(card["columns"]))
    def same(rows):
        answer = session.post(service.url + "/predict", json.dumps({"rows": rows}), timeout=60)
        if answer.status_code == 422:  # a forest's scaled numbers may overflow, which it refuses
            with pytest.raises(ValueError, match="infinity"):
                expected_of(model.stored, rows)
            return
        assert answer.status_code == 200, answer.text
        body, expected = answer.json(), expected_of(model.stored, rows)
        found = found_in(body, card["classes"])
        scale = card["parity"]["scale"]
        np.testing.assert_allclose(found, expected, rtol=CLOSE, atol=CLOSE * scale)
        if card["classes"]:
            predicted = [one["prediction"] for one in body["predictions"]]
            best = np.sort(expected, axis=1)
            for label, row, (second, first) in zip(predicted, expected, best[:, -2:]):
                if first - second > 2 * CLOSE:
                    assert label == card["classes"][row.argmax()]

    with session:
        same()


@pytest.mark.parametrize("name", ["binary", "classes", "number"])
def test_rows_of_the_test_set_get_the_same_predictions(exported, served, name):
    model = exported(name)
    frame = pd.read_csv(model.checkout / "rows.csv").astype(object)
    frame = frame.where(frame.notna(), None)[[column["name"] for column in model.card["columns"]]]
    for name_of_truth in ("smoker", "member"):
        frame[name_of_truth] = frame[name_of_truth].map(
            {"True": True, "False": False, True: True, False: False, None: None}
        )
    rows = json.loads(frame[::5].to_json(orient="records"))
    answer = served(name).predict(*rows)
    assert answer.status_code == 200, answer.text
    found = found_in(answer.json(), model.card["classes"])
    expected = expected_of(model.stored, rows)
    assert np.abs(found - expected).max() <= CLOSE * model.card["parity"]["scale"]
