"""Fit a model on the training part and track everything about the run."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

from . import accelerator, data, machine, model, model_file, runs, tracking
from .config import METRICS, TrainConfig
from .console import step
from .data import Dataset
from .errors import UserError, one_line
from .evaluation import Estimate, Predictions, estimates, predict
from .files import write_json
from .provenance import tags, versions
from .reporting import plots

REPORT = Path("reports/train.json")

# Below this many cells, handing work to a second thread costs more than the work.
_SMALL = 2_000_000


def train(config: TrainConfig) -> dict[str, Any]:
    """Fit, measure and track one run; write and return reports/train.json.

    Raises:
        UserError: The data, a parameter or the tracking store is not as it must be.
    """
    with step("data") as running:
        dataset = data.load(config)
        running.detail = _describe(dataset)
    # The store is opened before the work begins: a server that is down must not cost a long fit.
    with tracking.connected() as client, threadpool_limits(threads(dataset.train_rows.size)):
        experiment = tracking.experiment_id(client, config.experiment)
        report = _run(config, dataset, experiment)
    write_json(REPORT, report)
    return report


def _run(config: TrainConfig, dataset: Dataset, experiment: str) -> dict[str, Any]:
    with step("fit") as running:
        pipeline, device = accelerator.fitted(lambda: _fit(config, dataset))
        running.detail = f"{config.model.kind} on the {device}"
    with step("measure") as running:
        predictions = predict(pipeline, dataset.test_rows, dataset.test_target, config.task)
        confidence, metric = config.validation.confidence, config.validation.metric
        measured = estimates(METRICS[config.task], predictions, confidence, config.seed)
        running.detail = f"{metric} {measured[metric].value:.4f}"
    with step("track") as running:
        report = _track(config, dataset, experiment, pipeline, device, predictions, measured)
        running.detail = f"run {report['run_id']}"
    return report


def threads(cells: int) -> int:
    """Return how many threads to use: one for small data, else as many as there are free cores."""
    if cells < _SMALL:
        return 1
    return max(1, round(machine.cores() - os.getloadavg()[0]))


def _describe(dataset: Dataset) -> str:
    text = (
        f"{len(dataset.train_rows)} rows to fit on, {len(dataset.test_rows)} held out,"
        f" {len(dataset.columns.kinds)} columns ({dataset.columns.summary()})"
    )
    if dataset.repeated:
        text += (
            f"; {dataset.repeated} held-out rows are duplicates of rows to fit on, which flatters"
        )
    return text


def _fit(config: TrainConfig, dataset: Dataset) -> Any:
    pipeline = model.build(config, dataset.columns)
    try:
        model.fit(pipeline, dataset.columns, dataset.train_rows, dataset.train_target)
    except (ValueError, TypeError, MemoryError) as error:
        reason = one_line(error) or "not enough memory"
        raise UserError(f"model.kind {config.model.kind} could not be fitted: {reason}") from error
    if config.task == "classification" and not hasattr(pipeline, "predict_proba"):
        raise UserError(
            f"model.kind {config.model.kind} gives no probabilities (predict_proba), which the metrics"
            " need: wrap it in scikit-learn's CalibratedClassifierCV"
        )
    return pipeline


def _track(
    config: TrainConfig,
    dataset: Dataset,
    experiment: str,
    pipeline: Any,
    device: str,
    predictions: Predictions,
    measured: dict[str, Estimate],
) -> dict[str, Any]:
    import mlflow

    origin = {
        **tags(),
        "versions": versions(),
        "device": device,
        "data.source": config.data.source,
        "data.digest": dataset.digest,
        "data.rows": f"{len(dataset.train_rows)} to fit on, {len(dataset.test_rows)} held out",
        "data.columns": dataset.columns.summary(),
    }
    settings = config.model_dump(mode="json")
    with mlflow.start_run(experiment_id=experiment, tags=origin) as run:
        mlflow.log_params(_flat(settings))
        mlflow.log_metrics(_with_bounds(measured))
        mlflow.log_dict(settings, "config.json")
        with tempfile.TemporaryDirectory() as folder:
            test = dataset.test_rows, dataset.test_target
            plots.draw(Path(folder), pipeline, *test, predictions)
            mlflow.log_artifacts(folder, "plots")
        runs.keep_fitted_rows(dataset)
        logged = _log_model(pipeline, dataset)
    return {
        "run_id": run.info.run_id,
        "experiment": config.experiment,
        "tracking_uri": tracking.redacted(tracking.uri()),
        **origin,
        **logged,
        "metrics": {name: vars(estimate) for name, estimate in measured.items()},
    }


def _log_model(pipeline: Any, dataset: Dataset) -> dict[str, str]:
    """Log the pipeline as a model of the active run, and its SHA-256 as a tag, outside the file."""
    import mlflow

    info = mlflow.models.Model.log(
        artifact_path=None,
        name="model",
        flavor=model_file,
        pipeline=pipeline,
        columns=dataset.columns,
        rows=dataset.train_rows,
        held_out=dataset.test_rows,
    )
    with tempfile.TemporaryDirectory() as folder:
        stored = Path(mlflow.artifacts.download_artifacts(info.model_uri, dst_path=folder))
        logged = {"model.uri": info.model_uri, "model.sha256": model_file.digest(stored)}
    mlflow.set_tags(logged)
    return logged


def _flat(settings: dict[str, Any], prefix: str = "") -> dict[str, str]:
    """Return nested settings as MLflow parameters with dotted names; unset ones are left out."""
    flat = {}
    for key, value in settings.items():
        if isinstance(value, dict):
            flat.update(_flat(value, f"{prefix}{key}."))
        elif value is not None:
            flat[f"{prefix}{key}"] = value if isinstance(value, str) else json.dumps(value)
    return flat


def _with_bounds(measured: dict[str, Estimate]) -> dict[str, float]:
    metrics = {}
    for name, estimate in measured.items():
        metrics[name] = estimate.value
        metrics[f"{name}.lower"] = estimate.lower
        metrics[f"{name}.upper"] = estimate.upper
    return {name: value for name, value in metrics.items() if value == value}
