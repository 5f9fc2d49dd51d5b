"""Compare a window of what the service was asked with the rows that its model was measured on."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

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

from . import drift, performance, recorded_rows, reports
from .result import CLEAN, DRIFTED, Outcome
from .settings import MonitorConfig


def watch(config: MonitorConfig, name: str, alias: str) -> Outcome:
    """Judge the last `config.days` of the version of the model `name` that has `alias`.

    Writes reports/monitor.json and .html and a section of the summary, and tracks it as a run.

    Raises:
        UserError: There is no such model, or what was recorded or the labels cannot be read.
    """
    until = datetime.now(timezone.utc)
    since = until - timedelta(days=config.days)
    with store.connected() as client:
        with step("load") as running:
            number = runs.of_alias(client, name, alias)
            run = runs.find(client, number.run_id)
            stored = runs.load_model(run)
            running.detail = f"{name} version {number.version}"
        outcome = Outcome(name, str(number.version), _utc(since), _utc(until))
        outcome.before = run.estimates()
        with step("read") as running, recorded_rows.located(config.source or "") as folder:
            window = recorded_rows.window(folder, stored.columns, name, outcome.version, since)
            running.detail = f"{len(window):,} rows since {outcome.since}"
        with step("compare") as running, threadpool_limits(1):
            _judge(config, run, stored, window, outcome)
            running.detail = f"{len(outcome.findings)} comparisons"
        reports.write(outcome)
        _track(client, config, outcome)
    return outcome


def _utc(time: datetime) -> str:
    return f"{time:%Y-%m-%dT%H:%MZ}"


def _judge(
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
        if not done.metrics:
            known = f"{done.labels:,} labels" if done.labels else "no labels yet"
            note = f"performance is not judged: {known}, {config.rows:,} are needed"
            outcome.notes.append(note)
    if len(window) >= config.rows:
        outcome.findings = compare(config, stored, window)
        outcome.status = CLEAN
    else:
        note = f"drift is not judged: {len(window):,} rows, {config.rows:,} are needed"
        outcome.notes.append(note)
        if outcome.performance and outcome.performance.metrics:
            outcome.status = CLEAN
    if outcome.tripped():
        outcome.status = DRIFTED


def compare(
    config: MonitorConfig, stored: StoredModel, window: recorded_rows.Window
) -> list[drift.Finding]:
    """Compare each column, and the answers, with the held-out rows that are stored with the model.

    Raises:
        UserError: `ignore` names a column that the model has not.
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
    return drift.judged(found, config)


def _answers(stored: StoredModel, window: recorded_rows.Window) -> list[drift.Finding]:
    """Compare the predicted numbers; or the predicted classes, and how sure the model was of them."""
    said = outputs(stored.pipeline, stored.held_out)
    now = window.answers["prediction"]
    if not hasattr(stored.pipeline, "classes_"):
        return [drift.compare_answers("prediction", pd.Series(said[:, 0]), now)]
    before = pd.Series(np.asarray(stored.pipeline.classes_)[said.argmax(axis=1)])
    sure = window.answers.drop(columns="prediction").max(axis=1)
    return [
        drift.compare_answers("prediction", before, now),
        drift.compare_answers("highest probability", pd.Series(said.max(axis=1)), sure),
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
        open_runs.held() as mark,
        mlflow.start_run(experiment_id=experiment, tags={**tags, **mark}),
    ):
        for first in range(0, len(metrics), 1000):  # a server takes no more at once
            mlflow.log_metrics(dict(metrics[first : first + 1000]))
        for file in (reports.JSON, reports.PAGE):
            mlflow.log_artifact(str(file))
