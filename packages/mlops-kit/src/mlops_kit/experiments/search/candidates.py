"""The sets of parameters to try, drawn at random (Bergstra and Bengio, 2012), and their scores."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..metrics import goodness
from .settings import SearchConfig, is_range

# A small search space is exhausted after this many draws for each candidate.
_DRAWS = 100


@dataclass(frozen=True)
class Score:
    """A candidate's metric in one round: mean and standard deviation over the folds, and the number of rows."""

    rows: int
    mean: float
    deviation: float


@dataclass
class Candidate:
    """A set of parameters that replace those of the config; number 0 replaces none.

    `scores` has one entry for each round that it took part in; `failure` is the reason why it could not be fitted.
    """

    number: int
    params: dict[str, Any]
    scores: list[Score] = field(default_factory=list)
    failure: str = ""

    def score(self, rows: int, of_folds: list[float | str]) -> None:
        """Add the scores of a round: the metric of each fold, or why there was no fit."""
        numbers = [found for found in of_folds if not isinstance(found, str)]
        self.failure = next((found for found in of_folds if isinstance(found, str)), "")
        if not self.failure:
            self.scores.append(Score(rows, float(np.mean(numbers)), float(np.std(numbers))))


def draw(settings: SearchConfig) -> list[Candidate]:
    """Return candidate 0 and `settings.candidates` distinct others, or fewer if the search space is smaller."""
    generator = np.random.default_rng(settings.seed)
    found: dict[str, dict[str, Any]] = {}
    for _ in range(_DRAWS * settings.candidates):
        if len(found) == settings.candidates:
            break
        params = {name: _value(choice, generator) for name, choice in settings.params.items()}
        found.setdefault(json.dumps(params), params)
    others = [Candidate(number, params) for number, params in enumerate(found.values(), start=1)]
    return [Candidate(0, {}), *others]


def best_first(candidates: list[Candidate], metric: str) -> list[Candidate]:
    """Sort the candidates by number of rounds, then by the last score; those that failed or have no score come last."""

    def rank(candidate: Candidate) -> tuple[int, float]:
        if candidate.failure or not candidate.scores:
            return 0, 0.0
        last = candidate.scores[-1]
        found = goodness(metric, last.mean)
        return (len(candidate.scores), found) if found == found else (0, 0.0)

    return sorted(candidates, key=rank, reverse=True)


def _value(choice: Any, generator: np.random.Generator) -> Any:
    if not is_range(choice):
        return choice[int(generator.integers(len(choice)))]
    low, high = choice["low"], choice["high"]
    share = generator.random()
    if type(low) is int and type(high) is int:
        within = _between(low, high + 1, share, choice.get("log", False))
        return min(high, int(within))
    # Four digits, so that people can read and type the value.
    return float(f"{_between(low, high, share, choice.get('log', False)):.4g}")


def _between(low: float, high: float, share: float, log: bool) -> float:
    return float(low * (high / low) ** share if log else low + (high - low) * share)
