"""The agreement of the predictions of two versions on the same rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from . import performance
from .recorded_rows import Window

_LEAST_DIFFERENCE = 0.1  # of two numbers, in standard deviations of the champion's predictions


@dataclass(frozen=True)
class Agreement:
    """The share of the rows with the same prediction, its Wilson score interval, and the mean absolute difference.

    In classification the same prediction is the same class, and the difference is that of the probabilities. Two numbers
    are the same if they differ by at most a tenth of the standard deviation of the champion's predictions.
    """

    share: float
    lower: float
    upper: float
    difference: float


def agreement(champion: Window, challenger: Window, confidence: float) -> Agreement:
    """Return the agreement of two windows with the same rows, at least one, in the same order, and the same classes.

    `confidence` is that of the interval, like 0.95.
    """
    names = performance.classes(champion) or ["prediction"]
    theirs, ours = (each.answers[names].to_numpy(dtype=float) for each in (champion, challenger))
    apart = np.abs(ours - theirs)
    if names == ["prediction"]:
        same = apart[:, 0] <= _LEAST_DIFFERENCE * theirs.std()
    else:
        same = ours.argmax(axis=1) == theirs.argmax(axis=1)
    bounds: Any = stats.binomtest(int(same.sum()), len(same)).proportion_ci(confidence, "wilson")
    return Agreement(float(same.mean()), float(bounds.low), float(bounds.high), float(apart.mean()))
