"""Validate the last run: thresholds, the champion, the worst slice, the time of a prediction."""

from __future__ import annotations

import math
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

from mlops_kit.core.console import step
from mlops_kit.core.errors import UserError
from mlops_kit.core.files import scratch, write_json
from mlops_kit.data import Dataset

from . import runs, slices, store
from .champion import Comparison, compare
from .metrics import Estimate, estimates, is_loss, meets_threshold
from .predictions import Predictions, predict
from .settings import SliceConfig, TrainConfig, metric_names

REPORT = Path("reports/validation.json")

_TIMED_CALLS = 30


@dataclass(frozen=True)
class Check:
    """One check: the measured value, the `threshold`, and whether it is met."""

    name: str
    measured: str
    threshold: str
    passed: bool


@dataclass(frozen=True)
class Validation:
    """All checks of one run; for the report and the model card, the champion's metrics and the worst groups.

    `champion` has its version at that time (empty: none) and, where the two were compared, on how many rows, and for each
    metric its `value` and the run's `gain` over it.
    """

    run_id: str
    checks: list[Check]
    champion: dict[str, Any]
    slices: dict[str, Any] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Return whether every check passed."""
        return all(check.passed for check in self.checks)


def validate(config: TrainConfig, run_id: str = "") -> Validation:
    """Validate a run, by default the one in reports/train.json, against the validation section of `config`.

    The rows are the run's own test set: data, split and seed are taken from the run. The run is
    tagged `validation: passed` or `failed`, and `reports/validation.json` is written, with a copy in the run.

    Raises:
        UserError: There is no finished run, its data has changed since, or validation.slices.column is not a feature.
    """
    REPORT.unlink(missing_ok=True)
    with store.connect() as client:
        run = runs.find(client, run_id or runs.last())
        # If this validation is interrupted, an earlier result must not stand.
        client.set_tag(run.run_id, runs.VALIDATION_TAG, "unfinished")
        unused = config.not_for(run.config.task)
        config = _combined(run.config, config)
        with step("data") as running:
            dataset = runs.load_data(run, config)
            slices.check(config, dataset.test_rows)
            running.detail = f"{len(dataset.test_rows)} test rows"
        with step("validate") as running, threadpool_limits(1):
            result = _validate(client, run, config, dataset)
            running.detail = f"run {run.run_id}"
            if unused:
                running.detail += (
                    f"; a threshold of {', '.join(unused)} does not count for {config.task}"
                )
        _keep(run, result)
        client.set_tag(run.run_id, runs.VALIDATION_TAG, "passed" if result.passed else "failed")
    return result


def _keep(run: runs.Run, result: Validation) -> None:
    """Store the result with the run before the report, which another command of this checkout may replace."""
    report = {**asdict(result), "passed": result.passed}
    with scratch() as folder:
        file = folder / runs.VALIDATION
        write_json(file, report)
        runs.keep(run, file)
    write_json(REPORT, report)


def _combined(trained: TrainConfig, current: TrainConfig) -> TrainConfig:
    """Return the run's config with the validation section of the current config."""
    if current.task not in (trained.task, "auto"):
        raise UserError(
            f"the last run is a {trained.task}, the config's task is {current.task}: make train"
        )
    return trained.model_copy(update={"validation": current.for_task(trained.task).validation})


def _validate(client: Any, run: runs.Run, config: TrainConfig, dataset: Dataset) -> Validation:
    pipeline, settings = runs.load_model(run).pipeline, config.validation
    test = dataset.test_rows, dataset.test_target
    predictions = predict(pipeline, *test, config.task, dataset.test_weights)
    checks = _thresholds(config, predictions)
    compared = compare(client, run, config, dataset, predictions)
    checks.append(_against_champion(config, compared))
    if settings.slices:
        checks.append(_worst_slice(settings.slices, dataset, predictions))
    checks.append(_prediction_time(config, pipeline, dataset))
    worst = slices.worst(
        settings.metric, dataset.test_rows, predictions, settings.confidence, config.seed
    )
    champion = {
        "version": compared.version,
        "rows": compared.rows,
        "metrics": compared.metrics,
    }
    return Validation(run.run_id, checks, champion, worst)


def _thresholds(config: TrainConfig, predictions: Predictions) -> list[Check]:
    confidence, wanted = config.validation.confidence, config.validation.worst()
    measured = estimates(metric_names(config.task), predictions, confidence, config.seed)
    return [
        Check(
            name,
            _measured(found),
            _threshold(name, wanted[name]) if name in wanted else "–",
            name not in wanted or meets_threshold(name, found.value, wanted[name]),
        )
        for name, found in measured.items()
    ]


def _measured(found: Estimate) -> str:
    if math.isnan(found.value):
        return "NaN: not defined on the test set"
    return f"{found.value:.4f} ({found.lower:.4f} to {found.upper:.4f})"


def _against_champion(config: TrainConfig, found: Comparison) -> Check:
    """Return the check, failed only when the whole interval of the paired difference is in the champion's favour."""
    name = f"{config.validation.metric} against champion"
    if found.gain is None:
        return Check(name, found.why_not, "not worse", True)
    gain = found.gain
    measured = f"{gain.value:+.4f} ({gain.lower:+.4f} to {gain.upper:+.4f})"
    return Check(name, measured, f"not worse than version {found.version}", gain.upper >= 0)


def _worst_slice(config: SliceConfig, dataset: Dataset, predictions: Predictions) -> Check:
    metric, column = config.metric, config.column
    found = slices.of_column(metric, dataset.test_rows, column, predictions, config.min_rows)
    threshold = _threshold(metric, config.worst)
    if not found:
        nothing = f"no group of {config.min_rows} test rows"
        return Check(f"{metric} by {column}", nothing, threshold, True)
    worst = slices.worst_first(metric, found)[0]
    return Check(
        f"{metric} where {column} is {worst.group}",
        f"{worst.value:.4f}",
        threshold,
        meets_threshold(metric, worst.value, config.worst),
    )


def _prediction_time(config: TrainConfig, pipeline: Any, dataset: Dataset) -> Check:
    row = dataset.test_rows.head(1)
    seconds = []
    for _ in range(_TIMED_CALLS):
        start = time.perf_counter()
        pipeline.predict(row)
        seconds.append(time.perf_counter() - start)
    # The fastest call: other load makes calls slower, never faster.
    milliseconds = 1000 * min(seconds)
    budget = config.validation.prediction_ms
    return Check(
        "prediction of one row",
        f"{milliseconds:.1f} ms",
        f"≤ {budget:g} ms",
        milliseconds <= budget,
    )


def _threshold(metric: str, worst: float) -> str:
    return f"{'≤' if is_loss(metric) else '≥'} {worst:g}"
