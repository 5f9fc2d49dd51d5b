"""Judge the last run: thresholds, the champion, the worst slice, the time of a prediction."""

from __future__ import annotations

import math
import statistics
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from threadpoolctl import threadpool_limits

from . import data, runs, tracking, training
from .config import METRICS, SliceConfig, TrainConfig
from .console import step
from .data import Dataset
from .errors import UserError
from .evaluation import (
    LOSSES,
    Predictions,
    estimates,
    gain,
    good_enough,
    goodness,
    predict,
    value,
)
from .files import write_json
from .model_file import CannotLoadError, StoredModel

REPORT = Path("reports/validation.json")
TAG = "validation"

_TIMED_CALLS = 30


@dataclass(frozen=True)
class Check:
    """One line of the verdict: what was measured, what was asked, and whether that is good enough."""

    name: str
    measured: str
    asked: str
    passed: bool


@dataclass(frozen=True)
class Verdict:
    """All checks of one run."""

    run_id: str
    checks: list[Check]

    @property
    def passed(self) -> bool:
        """Whether every check passed."""
        return all(check.passed for check in self.checks)


def validate(config: TrainConfig) -> Verdict:
    """Judge the run that reports/train.json names, by the validation section of `config`.

    The rows are the run's own held-out part: data, split and seed are taken from the run. The run is
    tagged `validation: passed` or `failed`, and `reports/validation.json` is written.

    Raises:
        UserError: There is no finished run, or its data has changed since.
    """
    REPORT.unlink(missing_ok=True)
    with tracking.connected() as client:
        run = runs.find(client, runs.last(training.REPORT))
        # An earlier verdict must not outlive the question.
        client.set_tag(run.run_id, TAG, "unfinished")
        config = _combined(run.config, config)
        with step("data") as running:
            dataset = _same_data(run, config)
            running.detail = f"{len(dataset.test_rows)} held-out rows"
        with step("judge") as running, threadpool_limits(1):
            verdict = Verdict(run.run_id, _checks(client, run, config, dataset))
            running.detail = f"run {run.run_id}"
        write_json(REPORT, {**asdict(verdict), "passed": verdict.passed})
        client.set_tag(run.run_id, TAG, "passed" if verdict.passed else "failed")
    return verdict


def _combined(trained: TrainConfig, current: TrainConfig) -> TrainConfig:
    """Judge what was trained by the thresholds that hold now."""
    if trained.task != current.task:
        raise UserError(
            f"the last run is a {trained.task}, the config says {current.task}: make train"
        )
    return trained.model_copy(update={"validation": current.validation})


def _same_data(run: runs.Run, config: TrainConfig) -> Dataset:
    dataset = data.load(config)
    if dataset.digest != run.tags["data.digest"]:
        raise UserError(f"{run.config.data.source} has changed since run {run.run_id}: make train")
    return dataset


def _checks(client: Any, run: runs.Run, config: TrainConfig, dataset: Dataset) -> list[Check]:
    pipeline = runs.load_model(run).pipeline
    predictions = predict(pipeline, dataset.test_rows, dataset.test_target, config.task)
    checks = _thresholds(config, predictions)
    checks.append(_against_champion(client, run, config, dataset, predictions))
    if config.validation.slices:
        checks.append(_worst_slice(config.validation.slices, dataset, predictions))
    checks.append(_prediction_time(config, pipeline, dataset))
    return checks


def _thresholds(config: TrainConfig, predictions: Predictions) -> list[Check]:
    confidence, wanted = config.validation.confidence, config.validation.thresholds.given()
    measured = estimates(METRICS[config.task], predictions, confidence, config.seed)
    return [
        Check(
            name,
            f"{found.value:.4f} ({found.lower:.4f} to {found.upper:.4f})",
            _asked(name, wanted[name]) if name in wanted else "–",
            name not in wanted or good_enough(name, found.value, wanted[name]),
        )
        for name, found in measured.items()
    ]


def _against_champion(
    client: Any, run: runs.Run, config: TrainConfig, dataset: Dataset, predictions: Predictions
) -> Check:
    """Fail only when the whole interval of the paired difference lies on the champion's side."""
    metric, name = config.validation.metric, f"{config.validation.metric} against champion"
    version = runs.champion(client, config.registered_model)
    if version is None:
        return Check(name, "no champion yet", "not worse", True)
    if version.run_id == run.run_id:
        return Check(name, "is the champion", "not worse", True)
    its_name = f"version {version.version}"
    try:
        champion = runs.find(client, version.run_id)
        stored = runs.load_model(champion)
    except CannotLoadError:
        return Check(name, f"not compared: {its_name} cannot be loaded here", "not worse", True)
    except UserError as error:
        raise UserError(
            f"the champion, {its_name} of {config.registered_model}, cannot be read: {error};"
            f" restore it, or take the alias {runs.CHAMPION!r} from it (make mlflow-ui)"
        ) from error
    if champion.config.task != config.task or not _can_judge(stored, dataset):
        return Check(name, f"not compared: {its_name} takes other data", "not worse", True)
    rows = dataset.test_rows[list(stored.columns.kinds)]
    theirs = predict(stored.pipeline, rows, dataset.test_target, config.task)
    found = gain(metric, predictions, theirs, config.validation.confidence, config.seed)
    measured = f"{found.value:+.4f} ({found.lower:+.4f} to {found.upper:+.4f})"
    return Check(name, measured, f"not worse than {its_name}", found.upper >= 0)


def _can_judge(stored: StoredModel, dataset: Dataset) -> bool:
    """Tell whether an earlier model takes these rows, and knows all their classes."""
    kinds = dataset.columns.kinds
    known = getattr(stored.pipeline, "classes_", dataset.test_target)
    same = all(kinds.get(name) == kind for name, kind in stored.columns.kinds.items())
    return same and set(dataset.test_target) <= set(known)


def _worst_slice(config: SliceConfig, dataset: Dataset, predictions: Predictions) -> Check:
    groups = _groups(dataset.test_rows[config.column])
    found = {}
    for group in groups.unique():
        mask = (groups == group).to_numpy(dtype=bool)
        measured = value(config.metric, predictions.part(mask))
        # A metric can be undefined in a group: the area under the curve, where it holds one class.
        if mask.sum() >= config.min_rows and not math.isnan(measured):
            found[group] = measured
    asked = _asked(config.metric, config.worst)
    if not found:
        nothing = f"no group of {config.min_rows} held-out rows"
        return Check(f"{config.metric} by {config.column}", nothing, asked, True)
    worst = min(found, key=lambda group: goodness(config.metric, found[group]))
    return Check(
        f"{config.metric} where {config.column} is {worst}",
        f"{found[worst]:.4f}",
        asked,
        good_enough(config.metric, found[worst], config.worst),
    )


def _groups(values: Any) -> Any:
    """Name each row's group: its value; a number of more than four values falls into a quarter."""
    if pd.api.types.is_numeric_dtype(values) and values.nunique() > 4:
        values = pd.qcut(values, 4, duplicates="drop")
    return values.astype(object).where(values.notna(), "missing").map(str)


def _prediction_time(config: TrainConfig, pipeline: Any, dataset: Dataset) -> Check:
    row = dataset.test_rows.head(1)
    seconds = []
    for _ in range(_TIMED_CALLS):
        start = time.perf_counter()
        pipeline.predict(row)
        seconds.append(time.perf_counter() - start)
    milliseconds = 1000 * statistics.median(seconds)
    budget = config.validation.prediction_ms
    return Check(
        "prediction of one row",
        f"{milliseconds:.1f} ms",
        f"≤ {budget:g} ms",
        milliseconds <= budget,
    )


def _asked(metric: str, worst: float) -> str:
    return f"{'≤' if metric in LOSSES else '≥'} {worst:g}"
