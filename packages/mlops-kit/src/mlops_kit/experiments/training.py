"""The steps of a training run: fit a pipeline, and track everything about the run."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

from mlops_kit.core import cpu_count
from mlops_kit.core.errors import UserError, one_line
from mlops_kit.core.provenance import tags, versions
from mlops_kit.data import Dataset

from . import accelerator, model_storage
from . import pipeline as model
from . import runs, slices, store
from .metrics import Estimate
from .predictions import Predictions
from .report import plots
from .settings import TrainConfig

# Below this many cells, handing work to a second thread costs more than the work.
_SMALL = 2_000_000


def threads(cells: int) -> int:
    """Return how many threads to use: one for small data, else as many as there are free cores."""
    if cells < _SMALL:
        return 1
    return max(1, round(cpu_count.cores() - os.getloadavg()[0]))


def describe(dataset: Dataset) -> str:
    """Return the numbers of rows and columns, as the `data` line shows them."""
    text = (
        f"{len(dataset.train_rows)} rows to fit on, {len(dataset.test_rows)} held out,"
        f" {len(dataset.columns.kinds)} columns ({dataset.columns.summary()})"
    )
    if dataset.repeated:
        text += (
            f"; {dataset.repeated} held-out rows are duplicates of rows to fit on, which flatters"
        )
    return text


def fit(config: TrainConfig, dataset: Dataset) -> tuple[Any, str]:
    """Return the pipeline that `config.model` describes, fitted on the training set, and the device that fitted it.

    Raises:
        UserError: The estimator refuses its parameters or the rows, or gives no probabilities of classes; or the column
            whose groups are validated is no feature.
    """
    slices.check(config, dataset.train_rows)
    return accelerator.fitted(lambda: _fit(config, dataset))


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


def track(
    config: TrainConfig,
    dataset: Dataset,
    experiment: str,
    pipeline: Any,
    device: str,
    predictions: Predictions,
    measured: dict[str, Estimate],
) -> dict[str, Any]:
    """Log the run, its metrics and its model to MLflow; return what reports/train.json keeps of it."""
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
            plots.save(Path(folder), pipeline, *test, predictions)
            mlflow.log_artifacts(folder, "plots")
        runs.keep_fitted_rows(dataset)
        logged = _log_model(pipeline, dataset)
    return {
        "run_id": run.info.run_id,
        "experiment": config.experiment,
        "tracking_uri": store.redacted(store.uri()),
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
        flavor=model_storage,
        pipeline=pipeline,
        columns=dataset.columns,
        rows=dataset.train_rows,
        held_out=dataset.test_rows,
    )
    with tempfile.TemporaryDirectory() as folder:
        stored = Path(mlflow.artifacts.download_artifacts(info.model_uri, dst_path=folder))
        logged = {"model.uri": info.model_uri, "model.sha256": model_storage.digest(stored)}
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
