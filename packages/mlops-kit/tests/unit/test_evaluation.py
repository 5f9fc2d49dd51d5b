"""Metrics against scikit-learn's, their intervals, and the paired comparison."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sklearn import metrics

from mlops_kit.experiments import metrics as evaluation
from mlops_kit.experiments.predictions import Predictions
from mlops_kit.experiments.settings import METRICS
from mlops_kit.experiments.standard_metrics import FUNCTIONS

quick = hypothesis_settings(max_examples=60, deadline=None)


def classified(rows, classes=2, seed=0, skill=1.0, ties=False):
    generator = np.random.default_rng(seed)
    truth = generator.integers(0, classes, rows)
    score = generator.normal(size=(rows, classes))
    score[np.arange(rows), truth] += skill
    if ties:
        score = score.round()
    odds = np.exp(score)
    probabilities = odds / odds.sum(axis=1, keepdims=True)
    return Predictions(truth, probabilities.argmax(axis=1), probabilities)


def regressed(rows, seed=0, noise=1.0):
    generator = np.random.default_rng(seed)
    truth = generator.normal(size=rows) * 3 + 1000
    return Predictions(truth, truth + generator.normal(size=rows) * noise)


def sklearns(name, p, weights):
    """The same metric by scikit-learn, of one set of row weights."""
    given_weights = {"sample_weight": weights}
    if name == "roc_auc":
        if p.probabilities.shape[1] == 2:
            return metrics.roc_auc_score(p.truth, p.probabilities[:, 1], **given_weights)
        labels = range(p.probabilities.shape[1])
        return metrics.roc_auc_score(
            p.truth, p.probabilities, multi_class="ovr", labels=labels, **given_weights
        )
    if name == "log_loss":
        labels = range(p.probabilities.shape[1])
        return metrics.log_loss(p.truth, p.probabilities, labels=labels, **given_weights)
    by_name = {
        "accuracy": metrics.accuracy_score,
        "balanced_accuracy": metrics.balanced_accuracy_score,
        "f1_macro": lambda *a, **k: metrics.f1_score(*a, average="macro", **k),
        "r2": metrics.r2_score,
        "mae": metrics.mean_absolute_error,
        "rmse": metrics.root_mean_squared_error,
    }
    return by_name[name](p.truth, p.predicted, **given_weights)


def some(name, rows=200, seed=0):
    return regressed(rows, seed) if name in METRICS["regression"] else classified(rows, seed=seed)


EVERY = [*METRICS["classification"], *METRICS["regression"]]


# --- values ---------------------------------------------------------------------------------------


@quick
@given(
    rows=st.integers(12, 80),
    classes=st.integers(2, 4),
    seed=st.integers(0, 2**31),
    ties=st.booleans(),
    weighted=st.booleans(),
)
def test_classification_metrics_equal_those_of_scikit_learn(rows, classes, seed, ties, weighted):
    p = classified(rows, classes, seed, ties=ties)
    p.truth[:classes] = range(classes)
    weights = np.ones(rows)
    if weighted:
        weights += np.random.default_rng(seed).multinomial(rows, np.full(rows, 1 / rows))
    for name in METRICS["classification"]:
        ours = FUNCTIONS[name](p, weights[None, :])[0]
        assert ours == pytest.approx(sklearns(name, p, weights), abs=1e-10), name


@quick
@given(rows=st.integers(3, 60), seed=st.integers(0, 2**31), weighted=st.booleans())
def test_regression_metrics_equal_those_of_scikit_learn(rows, seed, weighted):
    p = regressed(rows, seed)
    weights = np.ones(rows)
    if weighted:
        weights += np.random.default_rng(seed).multinomial(rows, np.full(rows, 1 / rows))
    for name in METRICS["regression"]:
        ours = FUNCTIONS[name](p, weights[None, :])[0]
        assert ours == pytest.approx(sklearns(name, p, weights), rel=1e-7), name


def test_a_weight_of_two_is_the_row_twice():
    p, twice = classified(30), np.repeat(np.arange(30), [2] * 10 + [1] * 20)
    repeated = Predictions(p.truth[twice], p.predicted[twice], p.probabilities[twice])
    weights = np.array([2.0] * 10 + [1.0] * 20)[None, :]
    for name in METRICS["classification"]:
        weighted = FUNCTIONS[name](p, weights)[0]
        assert weighted == pytest.approx(evaluation.value(name, repeated))


def test_equal_scores_count_half():
    p = Predictions(np.array([0, 1]), np.array([0, 0]), np.array([[0.5, 0.5], [0.5, 0.5]]))
    assert evaluation.value("roc_auc", p) == 0.5


def test_a_certain_mistake_has_a_finite_log_loss():
    p = Predictions(np.array([0, 1]), np.array([1, 1]), np.array([[0.0, 1.0], [0.0, 1.0]]))
    assert 17 < evaluation.value("log_loss", p) < 19


def test_what_the_rows_do_not_define_is_nan():
    one_class = Predictions(np.zeros(4, int), np.zeros(4, int), np.full((4, 2), 0.5))
    assert np.isnan(evaluation.value("roc_auc", one_class))
    assert np.isnan(evaluation.estimates(("roc_auc",), one_class, 0.95, 0)["roc_auc"].lower)
    constant = Predictions(np.full(7, 0.1), np.arange(7.0))
    assert np.isnan(evaluation.value("r2", constant))


def test_a_class_that_no_held_out_row_has_does_not_count():
    p = Predictions(np.array([0, 1]), np.array([0, 1]), np.eye(3)[:2])
    assert evaluation.value("balanced_accuracy", p) == 1
    assert evaluation.value("f1_macro", p) == 1


# --- intervals ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", EVERY)
def test_an_interval_contains_the_value_and_is_the_same_again(name):
    for seed in range(5):
        p = some(name, seed=seed)
        found = evaluation.estimates((name,), p, 0.95, seed)[name]
        assert found.lower < found.value < found.upper
        assert found == evaluation.estimates((name,), p, 0.95, seed)[name]


@pytest.mark.parametrize("name", EVERY)
def test_an_interval_shrinks_with_more_rows_and_with_less_confidence(name):
    def width(rows, confidence):
        found = evaluation.estimates((name,), some(name, rows), confidence, 0)[name]
        return found.upper - found.lower

    assert width(1600, 0.95) < 0.75 * width(200, 0.95)
    assert width(200, 0.5) < 0.6 * width(200, 0.95)


def test_ninety_percent_intervals_hold_the_truth_nine_times_in_ten():
    generator = np.random.default_rng(0)
    inside = 0
    for seed in range(300):
        truth = generator.integers(0, 2, 150)
        right = generator.random(150) < 0.8
        predicted = np.where(right, truth, 1 - truth)
        p = Predictions(truth, predicted, np.eye(2)[predicted])
        found = evaluation.estimates(("accuracy",), p, 0.9, seed)["accuracy"]
        inside += found.lower <= 0.8 <= found.upper
    assert 0.84 < inside / 300 < 0.95


def test_r2_interval_of_a_nearly_constant_target_is_finite():
    truth = np.zeros(20)
    truth[3] = 0.1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = evaluation.estimates(("r2",), Predictions(truth, truth + 0.01), 0.95, 0)["r2"]
    assert found.lower > -1000


def test_one_held_out_row_has_an_accuracy():
    p = classified(1)
    found = evaluation.estimates(("accuracy",), p, 0.95, 0)["accuracy"]
    assert found.lower == found.value == found.upper


def test_resamples_are_drawn_in_blocks_that_fit_into_memory():
    blocks = [block.shape for block in evaluation._resamples(200_000, 0)]
    assert sum(count for count, _ in blocks) == 200
    assert max(count * rows for count, rows in blocks) <= 4_000_000
    for block in evaluation._resamples(1000, 0):
        assert (block.sum(axis=1) == 1000).all()


# --- the paired comparison ------------------------------------------------------------------------


@pytest.mark.parametrize("name", EVERY)
def test_a_gain_is_the_negative_of_the_opposite_gain(name):
    is_regression = name in METRICS["regression"]
    old = regressed(100, 1) if is_regression else classified(100)
    new = Predictions(old.truth, old.truth + 0.1) if is_regression else classified(100, skill=3)
    forth = evaluation.gains((name,), new, old, 0.9, 0)[name]
    back = evaluation.gains((name,), old, new, 0.9, 0)[name]
    assert forth.value == pytest.approx(-back.value)
    assert forth.lower == pytest.approx(-back.upper)
    assert forth.value > 0  # a lower loss is better: the sign is reversed
    assert forth.lower > 0


@pytest.mark.parametrize("name", EVERY)
def test_the_same_predictions_gain_nothing(name):
    found = evaluation.gains((name,), some(name), some(name), 0.9, 0)[name]
    assert (found.value, found.lower, found.upper) == (0, 0, 0)


def test_a_paired_interval_is_narrower_than_two_single_ones():
    old = regressed(200)
    new = Predictions(old.truth, old.predicted + 0.05)
    paired = evaluation.gains(("mae",), new, old, 0.95, 0)["mae"]
    single = evaluation.estimates(("mae",), old, 0.95, 0)["mae"]
    assert paired.upper - paired.lower < single.upper - single.lower


@pytest.mark.parametrize("name", EVERY)
def test_gain_of_samples_apart_has_the_noise_of_both(name):
    """Without anything in common variances add up; of one and the same sample all would cancel out."""
    old, new = some(name, 200, 0), some(name, 400, 1)
    gain = evaluation.gains_apart((name,), new, old, 0.9, 0)[name]
    difference = evaluation.value(name, new) - evaluation.value(name, old)
    assert gain.value == pytest.approx(evaluation.goodness(name, difference))

    def width(found):
        return found.upper - found.lower

    each = [width(evaluation.estimates((name,), p, 0.9, 0)[name]) for p in (old, new)]
    assert width(gain) == pytest.approx(np.hypot(*each), rel=0.15)
    itself = evaluation.gains_apart((name,), old, old, 0.9, 0)[name]
    assert (itself.value, width(itself)) == (0, pytest.approx(2**0.5 * each[0], rel=0.15))


# --- thresholds -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", EVERY)
def test_meets_threshold_has_the_right_side(name):
    better, worse = (0.1, 0.5) if evaluation.is_loss(name) else (0.5, 0.1)
    assert evaluation.meets_threshold(name, better, worse)
    assert evaluation.meets_threshold(name, worse, worse)
    assert not evaluation.meets_threshold(name, worse, better)
    assert not evaluation.meets_threshold(name, float("nan"), worse)


# --- weighted rows --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", EVERY)
def test_a_weight_counts_as_so_many_copies(name):
    p = some(name)
    times = np.random.default_rng(3).integers(0, 4, len(p))
    weighed = replace(p, weights=times.astype(float))
    copies = p.part(np.repeat(np.arange(len(p)), times))
    assert evaluation.value(name, weighed) == pytest.approx(evaluation.value(name, copies))
    assert evaluation.value(name, weighed) != pytest.approx(evaluation.value(name, p))
    found = evaluation.estimates((name,), weighed, 0.95, 0)[name]
    assert found.lower < found.value < found.upper
    half = np.arange(len(p)) < 100
    assert evaluation.value(name, weighed.part(half)) == pytest.approx(
        evaluation.value(name, copies.part(np.repeat(half, times)))
    )


@pytest.mark.parametrize("name", EVERY)
def test_scale_of_weights_makes_no_difference_and_a_gain_takes_them(name):
    weights = np.random.default_rng(3).random(200)
    old, new = (replace(some(name, seed=seed), weights=weights) for seed in (0, 1))
    new = replace(new, truth=old.truth)
    gain = evaluation.gains((name,), new, old, 0.9, 0)[name]
    larger = [replace(each, weights=1000 * weights) for each in (new, old)]
    assert evaluation.gains((name,), *larger, 0.9, 0)[name].value == pytest.approx(gain.value)
    difference = evaluation.value(name, new) - evaluation.value(name, old)
    assert gain.value == pytest.approx(evaluation.goodness(name, difference))


def test_rows_without_any_weight_define_nothing():
    nothing = replace(some("mae", 30), weights=np.zeros(30))
    assert np.isnan(evaluation.value("mae", nothing))
