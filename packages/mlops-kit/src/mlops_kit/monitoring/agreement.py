"""The agreement of two versions on the same rows."""

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
    """The share of the rows with the same prediction, with its Wilson interval, and the mean difference of predictions.

    Of classes it is the same class, and the difference that of a probability. Two numbers are the same if they differ by
    no more than a tenth of the standard deviation of the champion's.
    """

    share: float
    lower: float
    upper: float
    difference: float


def agreement(champion: Window, challenger: Window, confidence: float) -> Agreement:
    """Return the agreement of two windows with the same rows, at least one, in the same order, and the same classes."""
    names = performance.classes(champion) or ["prediction"]
    theirs, ours = (each.answers[names].to_numpy(dtype=float) for each in (champion, challenger))
    apart = np.abs(ours - theirs)
    if names == ["prediction"]:
        same = apart[:, 0] <= _LEAST_DIFFERENCE * theirs.std()
    else:
        same = ours.argmax(axis=1) == theirs.argmax(axis=1)
    bounds: Any = stats.binomtest(int(same.sum()), len(same)).proportion_ci(confidence, "wilson")
    return Agreement(float(same.mean()), float(bounds.low), float(bounds.high), float(apart.mean()))
