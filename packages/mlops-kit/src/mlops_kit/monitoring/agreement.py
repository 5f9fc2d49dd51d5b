"""The agreement of the predictions of two versions on the same rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from mlops_kit.artifact.predictor import agree

from . import performance
from .recorded_rows import Window


@dataclass(frozen=True)
class Agreement:
    """The share of the rows with the same prediction, its Wilson score interval, and the mean absolute difference.

    `predictor.agree` defines the same prediction. In classification the difference is that of the probabilities.
    """

    share: float
    lower: float
    upper: float
    difference: float


def agreement(champion: Window, challenger: Window, confidence: float) -> Agreement:
    """Return the agreement of two windows with the same rows, at least one, in the same order, and the same classes.

    `confidence` is that of the interval, like 0.95.
    """
    names = performance.classes(champion)
    kind, scale = (object, None) if names else (float, champion.scale)
    both = champion.answers, challenger.answers
    theirs, ours = (each["prediction"].to_numpy(dtype=kind) for each in both)
    same = agree(theirs, ours, scale)
    theirs, ours = (each[names or ["prediction"]].to_numpy(dtype=float) for each in both)
    apart = np.abs(ours - theirs)
    bounds: Any = stats.binomtest(int(same.sum()), len(same)).proportion_ci(confidence, "wilson")
    return Agreement(float(same.mean()), float(bounds.low), float(bounds.high), float(apart.mean()))
