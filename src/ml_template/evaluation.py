"""Metrics with bootstrap intervals, and the paired comparison of two models on the same rows.

Every metric is a function of row weights: weights of one give its value, and the counts of a bootstrap
resample (Efron, 1979) give the value on that resample, for many resamples in one array operation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

# Metrics of which less is better; of all others more is.
LOSSES = ("log_loss", "mae", "rmse")

_RESAMPLES = 1000
_WEIGHTS_AT_ONCE = 4_000_000  # 32 MB


@dataclass(frozen=True)
class Predictions:
    """What a model said of rows whose target is known.

    In classification `truth` and `predicted` (rows,) are positions in the sorted classes and
    `probabilities` is (rows, classes); in regression they are numbers and there are no probabilities.
    """

    truth: npt.NDArray[Any]
    predicted: npt.NDArray[Any]
    probabilities: Array | None = None

    def __len__(self) -> int:
        return len(self.truth)

    def part(self, mask: npt.NDArray[np.bool_]) -> Predictions:
        """Return the predictions of the rows that `mask`, shape (rows,), selects."""
        probabilities = None if self.probabilities is None else self.probabilities[mask]
        return Predictions(self.truth[mask], self.predicted[mask], probabilities)


@dataclass(frozen=True)
class Estimate:
    """A metric's value, and the bounds of its percentile bootstrap interval."""

    value: float
    lower: float
    upper: float


def predict(model: Any, rows: Any, target: npt.NDArray[Any], task: str) -> Predictions:
    """Let a fitted pipeline predict `rows` and keep the answers beside `target`, shape (rows,)."""
    if task == "regression":
        return Predictions(target, np.asarray(model.predict(rows), dtype=np.float64))
    probabilities = np.asarray(model.predict_proba(rows), dtype=np.float64)
    position = {label: index for index, label in enumerate(model.classes_)}
    truth = np.array([position[label] for label in target])
    return Predictions(truth, probabilities.argmax(axis=1), probabilities)


def value(name: str, predictions: Predictions) -> float:
    """Return a metric's value; NaN where the rows do not define it."""
    return float(_METRICS[name](predictions, np.ones((1, len(predictions))))[0])


def estimates(
    names: tuple[str, ...], predictions: Predictions, confidence: float, seed: int
) -> dict[str, Estimate]:
    """Return each metric's value with its interval, from one set of resamples."""
    drawn: dict[str, list[Array]] = {name: [] for name in names}
    for weights in _resamples(len(predictions), seed):
        for name in names:
            drawn[name].append(_METRICS[name](predictions, weights))
    found = {}
    for name in names:
        lower, upper = _interval(np.concatenate(drawn[name]), confidence)
        found[name] = Estimate(value(name, predictions), lower, upper)
    return found


def gains(
    names: tuple[str, ...], new: Predictions, old: Predictions, confidence: float, seed: int
) -> dict[str, Estimate]:
    """Return by how much `new` is better than `old` on the same rows in each metric (negative: worse).

    Both are measured on the same resamples, so what the rows contribute cancels out.
    """
    drawn: dict[str, list[Array]] = {name: [] for name in names}
    for weights in _resamples(len(new), seed):
        for name in names:
            drawn[name].append(_METRICS[name](new, weights) - _METRICS[name](old, weights))
    found = {}
    for name in names:
        sign = goodness(name, 1.0)
        lower, upper = _interval(sign * np.concatenate(drawn[name]), confidence)
        found[name] = Estimate(sign * (value(name, new) - value(name, old)), lower, upper)
    return found


def good_enough(name: str, measured: float, worst: float) -> bool:
    """Tell whether a metric's value is no worse than `worst`; NaN never is."""
    return goodness(name, measured) >= goodness(name, worst)


def goodness(name: str, measured: float) -> float:
    """Return a metric's value, of a loss its negative: so that more is better of every metric."""
    return -measured if name in LOSSES else measured


def _resamples(rows: int, seed: int) -> Iterator[Array]:
    """Yield how often each row is drawn, shape (resamples, rows), a block at a time."""
    generator = np.random.default_rng(seed)
    # A large test part needs fewer resamples: its intervals are narrow anyway.
    left = int(np.clip(20_000_000 // rows, 200, _RESAMPLES))
    while left > 0:
        block = max(1, min(left, _WEIGHTS_AT_ONCE // rows))
        drawn = generator.multinomial(rows, np.full(rows, 1 / rows), size=block)
        yield drawn.astype(np.float64)
        left -= block


def _interval(values: Array, confidence: float) -> tuple[float, float]:
    if np.isnan(values).all():
        return float("nan"), float("nan")
    tail = (1 - confidence) / 2
    lower, upper = np.nanquantile(values, [tail, 1 - tail])
    return float(lower), float(upper)


def _mean(per_row: npt.NDArray[Any], weights: Array) -> Array:
    return np.asarray(weights @ per_row / weights.sum(axis=1))


def _accuracy(p: Predictions, weights: Array) -> Array:
    return _mean(p.truth == p.predicted, weights)


def _confusion(p: Predictions, weights: Array) -> tuple[Array, Array, Array]:
    """Return true positives, actual and predicted counts of each class, shape (resamples, classes)."""
    counts = []
    for k in range(_probabilities(p).shape[1]):  # one by one: a (rows, classes) array may be large
        actual, predicted = p.truth == k, p.predicted == k
        counts.append([weights @ (actual & predicted), weights @ actual, weights @ predicted])
    hits, actuals, predictions = np.array(counts, dtype=np.float64).transpose(1, 2, 0)
    return hits, actuals, predictions


def _balanced_accuracy(p: Predictions, weights: Array) -> Array:
    hits, actual, _ = _confusion(p, weights)
    return _mean_of_classes(_ratio(hits, actual))


def _f1_macro(p: Predictions, weights: Array) -> Array:
    hits, actual, predicted = _confusion(p, weights)
    return _mean_of_classes(_ratio(2 * hits, actual + predicted))


def _log_loss(p: Predictions, weights: Array) -> Array:
    probabilities = _probabilities(p)
    tiny = np.finfo(np.float64).eps
    of_truth = probabilities[np.arange(len(p)), p.truth]
    return _mean(-np.log(np.clip(of_truth, tiny, 1.0)), weights)


def _roc_auc(p: Predictions, weights: Array) -> Array:
    """Binary: of the second class. More classes: each against the rest, unweighted mean."""
    probabilities = _probabilities(p)
    if probabilities.shape[1] == 2:
        return _auc(probabilities[:, 1], p.truth == 1, weights)
    each = [_auc(probabilities[:, k], p.truth == k, weights) for k in range(probabilities.shape[1])]
    return np.asarray(np.mean(each, axis=0))


def _auc(score: Array, positive: npt.NDArray[np.bool_], weights: Array) -> Array:
    """Return P(score of a positive > score of a negative) + half of P(equal) (Hanley, McNeil, 1982)."""
    order = np.argsort(score, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(score[order]) > 0])  # of each run of equal scores
    ranked, is_positive = weights[:, order], positive[order]
    positives = np.add.reduceat(ranked * is_positive, starts, axis=1)
    negatives = np.add.reduceat(ranked * ~is_positive, starts, axis=1)
    below = np.cumsum(negatives, axis=1) - negatives / 2
    return _ratio((positives * below).sum(axis=1), positives.sum(axis=1) * negatives.sum(axis=1))


def _r2(p: Predictions, weights: Array) -> Array:
    residual = _mean((p.truth - p.predicted) ** 2, weights)
    centred = p.truth - p.truth.mean()  # keeps the subtraction of squares below exact
    square = _mean(centred**2, weights)
    spread = square - _mean(centred, weights) ** 2
    # A resample of equal values has no spread, whatever rounding leaves of it.
    return 1 - _ratio(residual, np.where(spread > 1e-12 * square, spread, 0.0))


def _mae(p: Predictions, weights: Array) -> Array:
    return _mean(np.abs(p.truth - p.predicted), weights)


def _rmse(p: Predictions, weights: Array) -> Array:
    return np.sqrt(_mean((p.truth - p.predicted) ** 2, weights))


def _ratio(above: Array, below: Array) -> Array:
    return np.divide(above, below, out=np.full_like(above, np.nan), where=below > 0)


def _mean_of_classes(values: Array) -> Array:
    """Average over the classes that a resample holds; NaN if it holds none."""
    there = ~np.isnan(values)
    return _ratio(np.where(there, values, 0.0).sum(axis=1), there.sum(axis=1).astype(np.float64))


def _probabilities(p: Predictions) -> Array:
    if p.probabilities is None:
        raise TypeError("a classification metric needs probabilities")
    return p.probabilities


_METRICS: dict[str, Callable[[Predictions, Array], Array]] = {
    "accuracy": _accuracy,
    "balanced_accuracy": _balanced_accuracy,
    "f1_macro": _f1_macro,
    "roc_auc": _roc_auc,
    "log_loss": _log_loss,
    "r2": _r2,
    "mae": _mae,
    "rmse": _rmse,
}
