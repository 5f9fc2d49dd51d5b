"""A metric of the project's own: one function and one line in its metrics.py."""

import numpy as np
import pytest

from mlops_kit.core.errors import UserError
from mlops_kit.experiments import metrics
from mlops_kit.experiments.metrics import Metric
from mlops_kit.experiments.predictions import Predictions
from mlops_kit.experiments.settings import metric_names

from ml_template import metrics as own


def missed(predictions, weights):
    """The share of the rows of class "yes" that were predicted as another."""
    positives = predictions.truth == predictions.classes.index("yes")
    found = (predictions.predicted == predictions.truth) & positives
    return 1 - weights[found].sum() / weights[positives].sum()


@pytest.fixture(autouse=True)
def listed(monkeypatch):
    monkeypatch.setitem(own.METRICS, "classification", {"missed": Metric(missed, loss=True)})


@pytest.fixture
def predictions():
    truth, predicted = np.array([1, 1, 1, 1, 0, 0]), np.array([1, 1, 1, 0, 0, 1])
    return Predictions(truth, predicted, np.eye(2)[predicted], ("no", "yes"))


def test_its_name_stands_behind_the_kits_own():
    assert metric_names("classification")[-2:] == ("log_loss", "missed")
    assert "missed" not in metric_names("regression")


def test_value_and_interval_come_from_the_same_function(predictions):
    measured = metrics.estimates(("missed",), predictions, confidence=0.9, seed=0)["missed"]
    assert metrics.value("missed", predictions) == measured.value == 0.25
    assert 0 <= measured.lower < 0.25 < measured.upper <= 1


def test_a_part_of_the_rows_keeps_the_classes(predictions):
    assert metrics.value("missed", predictions.part(np.arange(6) < 2)) == 0


def test_less_is_better_of_a_loss(predictions):
    perfect = Predictions(
        predictions.truth, predictions.truth, predictions.probabilities, ("no", "yes")
    )
    gain = metrics.gains(("missed",), perfect, predictions, confidence=0.9, seed=0)["missed"]
    assert gain.value == 0.25
    assert metrics.meets_threshold("missed", 0.1, worst=0.2)
    assert not metrics.meets_threshold("missed", 0.3, worst=0.2)


def test_thresholds_take_its_name(checkout, settings):
    config = settings(
        "validation.metric=missed validation.thresholds.accuracy=0.8 validation.thresholds.missed=0.3"
    )
    assert config.validation.worst() == {"accuracy": 0.8, "missed": 0.3}
    again = type(config).model_validate(config.model_dump(mode="json"))
    assert again == config


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        ("validation.thresholds.mised=0.3", "unknown key 'validation.thresholds.mised'"),
        ("validation.thresholds.missed=high", "missed is 'high'"),
        ("task=regression validation.metric=mae validation.thresholds.missed=1", "names 'missed'"),
    ],
)
def test_what_is_wrong_about_its_threshold_is_one_sentence(checkout, settings, overrides, sentence):
    with pytest.raises(UserError, match=sentence):
        settings(overrides)


def test_probability_of_a_class_is_its_column(predictions):
    np.testing.assert_array_equal(predictions.probability_of("yes"), [1, 1, 1, 0, 0, 1])
    np.testing.assert_array_equal(predictions.probability_of("no"), [0, 0, 0, 1, 1, 0])
    with pytest.raises(ValueError, match=r"^no class 1, but 'no', 'yes'$"):
        predictions.probability_of(1)
    with pytest.raises(ValueError, match=r"^no class 'yes', but none$"):
        Predictions(np.array([0.5]), np.array([0.4])).probability_of("yes")


def test_what_it_raises_names_it(predictions, monkeypatch):
    monkeypatch.setitem(own.METRICS["classification"], "broken", Metric(lambda *_: 1 / 0))
    with pytest.raises(UserError, match=r"^metric broken of metrics\.py failed: ZeroDivisionError"):
        metrics.value("broken", predictions)
