"""The kit's own metrics, each a function of predictions and row weights; metrics.py uses them.

Weights are of shape (resamples, rows); a metric returns an array of shape (resamples,), NaN where it is not defined.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from .predictions import Array, Predictions


def _mean(per_row: npt.NDArray[Any], weights: Array) -> Array:
    return _ratio(weights @ per_row, weights.sum(axis=1))


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
    """Return the area under the ROC curve of the second of two classes; of more, the unweighted mean of one-vs-rest."""
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
    centred = p.truth - p.truth.mean()  # avoids cancellation in the subtraction of squares below
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


FUNCTIONS: dict[str, Callable[[Predictions, Array], Array]] = {
    "accuracy": _accuracy,
    "balanced_accuracy": _balanced_accuracy,
    "f1_macro": _f1_macro,
    "roc_auc": _roc_auc,
    "log_loss": _log_loss,
    "r2": _r2,
    "mae": _mae,
    "rmse": _rmse,
}

# For these lower is better; for the others higher is.
LOSSES = ("log_loss", "mae", "rmse")
