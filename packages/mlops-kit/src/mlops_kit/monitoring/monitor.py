"""Drift and performance of a window of the service's requests, against the test set of its model."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from mlops_kit.artifact.manifest import described
from mlops_kit.artifact.predictor import outputs
from mlops_kit.core import provenance
from mlops_kit.core.console import step
from mlops_kit.core.errors import UserError, did_you_mean
from mlops_kit.experiments import open_runs, runs, store
from mlops_kit.experiments.model_storage import StoredModel
from mlops_kit.experiments.settings import CHALLENGER

from . import drift, performance, recorded_rows, reports
from .result import CLEAN, DRIFTED, Outcome
from .settings import MonitorConfig
from .span import Span, utc


class Opened(NamedTuple):
    """A model with its run and version, and the window of its predictions."""

    client: Any
    run: runs.Run
    stored: StoredModel
    window: recorded_rows.Window
    version: str


def measure_drift(config: MonitorConfig, span: Span, name: str, alias: str) -> Outcome:
    """Evaluate the rows of `config.source` that the version with `alias` of the model `name` predicted in the span.

    Writes reports/monitor.json and .html and a section of the summary, and tracks the result as an MLflow run.

    Raises:
        UserError: There is no such model, or the records or the labels cannot be read.
    """
    with opened(config, span, name, alias) as (client, run, stored, window, version):
        outcome = Outcome(name, version, utc(span.since), utc(span.until))
        outcome.before = run.estimates()
        challenger = runs.aliased(client, name, CHALLENGER)
        if challenger is not None:  # its rows need no note: make compare evaluates them
            window.others.pop(recorded_rows.title(name, str(challenger.version)), None)
        with step("compare") as running, threadpool_limits(1):
            _evaluate(config, run, stored, window, outcome)
            running.detail = f"{len(outcome.findings)} comparisons"
        reports.write(outcome)
        _track(client, config, outcome)
    return outcome


@contextmanager
def opened(config: MonitorConfig, span: Span, name: str, alias: str) -> Iterator[Opened]:
    """Yield the store's client, the run, its model, the rows that it predicted in the span, and its version.

    Raises:
        UserError: There is no such model, or the records cannot be read.
    """
    with store.connect() as client:
        with step("load") as running:
            number = runs.of_alias(client, name, alias)
            run = runs.find(client, number.run_id)
            stored = runs.load_model(run)
            version = str(number.version)
            running.detail = f"{name} version {version}"
        with (
            step("read") as running,
            recorded_rows.local_files(config.source or "", span) as files,
        ):
            window = recorded_rows.window(files, stored.columns, name, version, span)
            running.detail = f"{len(window):,} rows from {utc(span.since)} to {utc(span.until)}"
        yield Opened(client, run, stored, window, version)


def _evaluate(
    config: MonitorConfig,
    run: runs.Run,
    stored: StoredModel,
    window: recorded_rows.Window,
    outcome: Outcome,
) -> None:
    outcome.rows = len(window)
    outcome.notes += [f"{n:,} rows of {other} are left out" for other, n in window.others.items()]
    if window.damaged:
        outcome.notes.append(f"{window.damaged:,} lines could not be read")
    if config.labels:
        before = outcome.before.get(run.config.validation.metric, {})
        done = performance.measure(config.labels, window, run.config, before, config.rows)
        outcome.performance = done
        if done.replaced:
            outcome.notes.append(f"{done.replaced:,} labels replace earlier ones")
        if not done.metrics:
            counts = f"{done.labels:,} of the {config.rows:,} needed"
            outcome.notes.append(f"not enough labels for performance: {counts}")
    if len(window) >= config.rows:
        outcome.findings = compare(config, stored, window)
        outcome.status = CLEAN
    else:
        counts = f"{len(window):,} of the {config.rows:,} needed"
        outcome.notes.append(f"not enough rows for drift: {counts}")
        if outcome.performance and outcome.performance.metrics:
            outcome.status = CLEAN
    if outcome.tripped():
        outcome.status = DRIFTED


def compare(
    config: MonitorConfig, stored: StoredModel, window: recorded_rows.Window
) -> list[drift.Finding]:
    """Compare each column and the predictions with those of the test set that is stored with the model.

    Raises:
        UserError: `ignore` names a column that the model does not have.
    """
    names = list(stored.columns.kinds)
    for name in config.ignore:
        if name not in names:
            raise UserError(
                f"ignore names {name!r}, which is no column of the model{did_you_mean(name, names)}"
            )
    found = _answers(stored, window)
    for column in described(stored):
        name = column["name"]
        if name in config.ignore:
            continue
        before = drift.of_values(column, stored.held_out[name])
        if name in window.inputs:
            found += drift.compare(name, before, drift.of_values(column, window.inputs[name]))
        if name in window.flags:
            hidden = before._replace(values=())
            found += drift.compare(name, hidden, drift.of_flags(column, window.flags[name]))
    return drift.decide(found, config)


def _answers(stored: StoredModel, window: recorded_rows.Window) -> list[drift.Finding]:
    """Compare the predicted numbers, or the predicted classes and their probabilities."""
    known = outputs(stored.pipeline, stored.held_out)
    now = window.answers["prediction"]
    if not hasattr(stored.pipeline, "classes_"):
        return [drift.compare_answers("prediction", pd.Series(known[:, 0]), now)]
    before = pd.Series(np.asarray(stored.pipeline.classes_)[known.argmax(axis=1)])
    highest = window.answers.drop(columns="prediction").max(axis=1)
    return [
        drift.compare_answers("prediction", before, now),
        drift.compare_answers("highest probability", pd.Series(known.max(axis=1)), highest),
    ]


def _track(client: Any, config: MonitorConfig, outcome: Outcome) -> None:
    import mlflow

    experiment = store.experiment_id(client, config.experiment)
    tags = {
        **provenance.tags(),
        "model": outcome.model,
        "version": outcome.version,
        "status": outcome.status,
    }
    metrics = list(reports.metrics(outcome).items())
    with (
        open_runs.hold(experiment) as mark,
        mlflow.start_run(experiment_id=experiment, tags={**tags, **mark}),
    ):
        for first in range(0, len(metrics), 1000):  # MLflow's limit for a request
            mlflow.log_metrics(dict(metrics[first : first + 1000]))
        for file in (reports.JSON, reports.PAGE):
            mlflow.log_artifact(str(file))
