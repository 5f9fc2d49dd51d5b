"""Successive halving (Karnin, Koren and Somekh, 2013): many candidates on few rows, the best on more.

Each fit is a separate task on the cluster.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from mlops_kit.core.errors import UserError, one_line
from mlops_kit.data import Columns, Dataset, weights
from mlops_kit.data.split import places
from mlops_kit.data.split_column import folds as folds_by_column

from .. import cluster
from .. import pipeline as model
from ..metrics import value
from ..predictions import predict
from ..settings import TrainConfig
from .candidates import Candidate, best_first
from .settings import SearchConfig

# Takes a candidate with the score of its last round.
Note = Callable[[Candidate], None]


class Round(NamedTuple):
    """How many candidates are tried, on which share of the training set (0 to 1)."""

    candidates: int
    share: float


@dataclass(frozen=True)
class Part:
    """The training set, with the weight and the fold of each row, and the smallest share (0 to 1) that the row belongs to.

    The arrays are of shape (rows,). Each fold is scored by a model trained on all others; if they are `ordered` in time, by
    one trained on the earlier folds, and the first fold is not scored.
    """

    columns: Columns
    rows: Any
    target: npt.NDArray[Any]
    weights: npt.NDArray[np.float64] | None
    folds: npt.NDArray[np.int64]
    shares: npt.NDArray[np.float64]
    ordered: bool = False

    def parts(self, fold: int) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
        """Return masks, shape (rows,), of the training set and the validation set of a fold."""
        if self.ordered:
            return self.folds <= fold, self.folds == fold + 1
        return self.folds != fold, self.folds == fold

    def weigh(self, mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64] | None:
        """Return the weights of the rows that `mask`, shape (rows,), selects; None without weights."""
        return None if self.weights is None else self.weights[mask]


def rounds(rows: int, candidates: int, settings: SearchConfig) -> list[Round]:
    """Return the rounds; the last is on all rows, the first on no fewer than `settings.min_rows` of them.

    >>> [(each.candidates, round(each.share, 2)) for each in rounds(2000, 27, SearchConfig(params={}))]
    [(27, 0.33), (9, 1.0)]
    """
    factor, halvings = settings.factor, 0
    while min(candidates, rows / settings.min_rows) >= factor ** (halvings + 1):
        halvings += 1
    return [
        Round(-(-candidates // factor**number), 1 / factor ** (halvings - number))
        for number in range(halvings + 1)
    ]


def part(dataset: Dataset, config: TrainConfig, folds: int) -> Part:
    """Assign the rows of the training set to folds, by `config.split`, and to shares.

    By content, folds are stratified, and copies of a row stay together; by group, its rows stay together; by time, a later
    fold has later rows.

    Raises:
        UserError: A class has fewer distinct rows than there are folds, or a fold would have none of it.
    """
    rows, target, units = dataset.train_rows, dataset.train_target, dataset.train_units
    if units is not None:
        fold = folds_by_column(units, target, config, folds)
        place, distinct = places(rows, target, config, fold)
        # The first row of each class of each fold belongs to every share, so that no fold is without a class.
        shares = np.where(place == 0, 0.0, (place + 1) / distinct)
        ordered = config.split.by == "time"
        return Part(dataset.columns, rows, target, dataset.train_weights, fold, shares, ordered)
    place, distinct = places(rows, target, config)
    if distinct.min() < folds:
        of_what = (
            f" of class {target[distinct.argmin()]}" if config.task == "classification" else ""
        )
        raise UserError(
            f"folds is {folds}; accepted: at most {distinct.min()}, the distinct training rows{of_what}"
        )
    # The first rows of each class belong to every share, so that no fold is without a class.
    shares = np.where(place < folds, 0.0, (place + 1) / distinct)
    return Part(dataset.columns, rows, target, dataset.train_weights, place % folds, shares)


def run(
    client: Any,
    whole: Part,
    config: TrainConfig,
    settings: SearchConfig,
    candidates: list[Candidate],
    note: Note,
) -> Iterator[float]:
    """Score the candidates by `config.validation.metric`, and yield the fraction that is done, 0 to 1.

    `note` is called with each candidate after each round that it took part in.

    Raises:
        UserError: A fold has no weight, no candidate could be fitted, or the cluster is gone.
    """
    metric = config.validation.metric
    plan = rounds(len(whole.rows), len(candidates), settings)
    _check_weights(whole, config, settings.folds, plan[0].share)
    kept = cluster.keep(client, whole)
    total, done, tried = sum(each.candidates for each in plan), 0, candidates
    for number, (_, share) in enumerate(plan, start=1):
        futures = _submitted(client, kept, config, settings.folds, tried, share)
        rows = int((whole.shares <= share).sum())
        for candidate, scores in _of_all_folds(client, futures, settings.folds):
            candidate.score(rows, scores)
            note(candidate)
            done += 1
            yield min(1.0, done / total)
        tried = [candidate for candidate in best_first(tried, metric) if not candidate.failure]
        if not tried:
            raise UserError(f"no candidate could be fitted: {candidates[0].failure}")
        if number < len(plan):
            best = tried[: plan[number].candidates]
            # The config's own parameters stay, so that the winner is compared with them on the same rows.
            tried = best + [each for each in tried[len(best) :] if each.number == 0]


def with_params(config: TrainConfig, params: dict[str, Any]) -> TrainConfig:
    """Return the config with `params` over its model's own."""
    its_model = config.model.model_copy(update={"params": {**config.model.params, **params}})
    return config.model_copy(update={"model": its_model})


def fold_score(whole: Part, config: TrainConfig, fold: int, share: float) -> float | str:
    """Fit on a share of the rows for one fold; return the metric on its validation set, or why the fit failed."""
    within = whole.shares <= share
    fit, score = (within & part_of_all for part_of_all in whole.parts(fold))
    pipeline = model.build(config, whole.columns, whole.rows, whole.target)
    with threadpool_limits(1):
        try:
            model.fit(pipeline, whole.columns, whole.rows[fit], whole.target[fit], whole.weigh(fit))
        except (ValueError, TypeError, MemoryError) as error:
            return one_line(error) or "not enough memory"
        scored = whole.rows[score], whole.target[score]
        predictions = predict(pipeline, *scored, config.task, whole.weigh(score))
    return value(config.validation.metric, predictions)


def _check_weights(whole: Part, config: TrainConfig, folds: int, share: float) -> None:
    """Check that each fold can be fitted and scored on `share` of the rows, the smallest of all rounds."""
    if whole.weights is None:
        return
    for fold in range(folds):
        for what, mask in zip(("the training rows of", "the rows of"), whole.parts(fold)):
            there = mask & (whole.shares <= share)
            part = f"{what} fold {fold + 1} of {folds}: try fewer folds, or a larger min_rows"
            weights.check_part(whole.weights[there], whole.target[there], part, config)


def _submitted(
    client: Any,
    kept: Any,
    config: TrainConfig,
    folds: int,
    tried: list[Candidate],
    share: float,
) -> dict[Any, tuple[Candidate, int]]:
    """Submit a task for each fold of each candidate; return the futures, with their candidate and fold."""
    futures = {}
    for candidate in tried:
        its_config = with_params(config, candidate.params)
        for fold in range(folds):
            task = fold_score, kept, its_config, fold, share
            future = client.submit(*task, retries=cluster.RETRIES, pure=False)
            futures[future] = candidate, fold
    return futures


def _of_all_folds(
    client: Any, futures: dict[Any, tuple[Candidate, int]], folds: int
) -> Iterator[tuple[Candidate, list[float | str]]]:
    """Yield each candidate with the results of its folds, in their order, as soon as all have finished."""
    found: dict[int, dict[int, float | str]] = {}
    for future in cluster.finished(client, futures):
        candidate, fold = futures[future]
        of_folds = found.setdefault(candidate.number, {})
        of_folds[fold] = cluster.result(client, future)
        if len(of_folds) == folds:
            yield candidate, [of_folds[number] for number in range(folds)]
