"""Metrics with bootstrap intervals, and the paired comparison of two models on the same rows.

Every metric is a function of row weights: weights of one give its value, and the counts of a bootstrap
resample (Efron, 1979) give the value on that resample, for many resamples in one array operation. If rows have weights
(data.weight), these replace the ones, and multiply the counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from mlops_kit.core import project
from mlops_kit.core.errors import UserError, one_line

from .predictions import Array, Predictions
from .standard_metrics import FUNCTIONS, LOSSES

_RESAMPLES = 1000
_WEIGHTS_AT_ONCE = 4_000_000  # 32 MB


class Metric(NamedTuple):
    """A metric of the project; the function takes predictions and the weight of each row, shape (rows,)."""

    function: Callable[[Predictions, Array], float]
    loss: bool = False  # lower is better


@dataclass(frozen=True)
class Estimate:
    """A metric's value, and the bounds of its percentile bootstrap interval."""

    value: float
    lower: float
    upper: float


def value(name: str, predictions: Predictions) -> float:
    """Return a metric's value; NaN if it is not defined on these rows.

    Raises:
        UserError: A metric of the project fails.
    """
    return float(
        _function(name)(predictions, _weighed(predictions, np.ones((1, len(predictions)))))[0]
    )


def estimates(
    names: tuple[str, ...], predictions: Predictions, confidence: float, seed: int
) -> dict[str, Estimate]:
    """Return each metric's value with its interval, all from the same resamples.

    Raises:
        UserError: As `value`.
    """
    drawn = _sample(names, predictions, seed)
    found = {}
    for name in names:
        lower, upper = _interval(drawn[name], confidence)
        found[name] = Estimate(value(name, predictions), lower, upper)
    return found


def gains(
    names: tuple[str, ...], new: Predictions, old: Predictions, confidence: float, seed: int
) -> dict[str, Estimate]:
    """Return by how much `new` is better than `old` on the same rows in each metric (negative: worse).

    Both are measured on the same resamples (a paired bootstrap), so that the variation between rows cancels out.

    Raises:
        UserError: As `value`.
    """
    drawn: dict[str, list[Array]] = {name: [] for name in names}
    for counts in _resamples(len(new), seed):
        weights = _weighed(new, counts)
        for name in names:
            measure = _function(name)
            drawn[name].append(measure(new, weights) - measure(old, weights))
    found = {}
    for name in names:
        sign = goodness(name, 1.0)
        lower, upper = _interval(sign * np.concatenate(drawn[name]), confidence)
        found[name] = Estimate(sign * (value(name, new) - value(name, old)), lower, upper)
    return found


def gains_apart(
    names: tuple[str, ...], new: Predictions, old: Predictions, confidence: float, seed: int
) -> dict[str, Estimate]:
    """Return by how much `new` is better than `old` in each metric (negative: worse), each on its own rows.

    Their resamples are drawn independently (a two-sample bootstrap), as the rows were.

    Raises:
        UserError: As `value`.
    """
    ours, theirs = (
        _sample(names, predictions, its_seed)
        for predictions, its_seed in zip((new, old), np.random.SeedSequence(seed).spawn(2))
    )
    found = {}
    for name in names:
        sign = goodness(name, 1.0)
        pairs = min(len(ours[name]), len(theirs[name]))
        differences = ours[name][:pairs] - theirs[name][:pairs]
        lower, upper = _interval(sign * differences, confidence)
        found[name] = Estimate(sign * (value(name, new) - value(name, old)), lower, upper)
    return found


def meets_threshold(name: str, measured: float, worst: float) -> bool:
    """Return whether a metric's value is no worse than the threshold `worst`; False for NaN."""
    return goodness(name, measured) >= goodness(name, worst)


def goodness(name: str, measured: float) -> float:
    """Return a metric's value, negated for a loss, so that higher is better for every metric."""
    return -measured if is_loss(name) else measured


def is_loss(name: str) -> bool:
    """Return whether lower is better for a metric."""
    own = _own().get(name)
    return name in LOSSES if own is None else own.loss


def _sample(
    names: tuple[str, ...], predictions: Predictions, seed: int | np.random.SeedSequence
) -> dict[str, Array]:
    """Return each metric's values on the resamples, shape (resamples,)."""
    drawn: dict[str, list[Array]] = {name: [] for name in names}
    for counts in _resamples(len(predictions), seed):
        weights = _weighed(predictions, counts)
        for name in names:
            drawn[name].append(_function(name)(predictions, weights))
    return {name: np.concatenate(values) for name, values in drawn.items()}


def _weighed(predictions: Predictions, counts: Array) -> Array:
    return counts if predictions.weights is None else counts * predictions.weights


def _resamples(rows: int, seed: int | np.random.SeedSequence) -> Iterator[Array]:
    """Yield how often each row is drawn, shape (resamples, rows), a block at a time."""
    generator = np.random.default_rng(seed)
    # A large test set needs fewer resamples: its intervals are narrow anyway.
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


def _own() -> dict[str, Metric]:
    return {
        name: own for of_task in project.current().metrics.values() for name, own in of_task.items()
    }


def _function(name: str) -> Callable[[Predictions, Array], Array]:
    """Return the metric as a function of predictions and weights, (resamples, rows), that returns values, (resamples,)."""
    if name in FUNCTIONS:
        return FUNCTIONS[name]
    own = _own()[name].function

    def measure(predictions: Predictions, weights: Array) -> Array:
        try:
            return np.array([own(predictions, each) for each in weights], dtype=np.float64)
        except Exception as error:  # the project's code may raise anything
            raise UserError(
                f"metric {name} of metrics.py failed: {type(error).__name__}: {one_line(error)}"
            ) from error

    return measure
