"""The steps of a training run: fit a pipeline, and log the run to MLflow."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from mlops_kit.core import cpu_count
from mlops_kit.core.errors import UserError, one_line
from mlops_kit.core.files import named_if_full, scratch, write_json
from mlops_kit.core.provenance import tags, versions
from mlops_kit.data import Dataset
from mlops_kit.data.spelling import without_sign

from . import accelerator, inputs, model_storage, open_runs
from . import pipeline as model
from . import runs, slices, store
from .metrics import Estimate
from .predictions import Predictions
from .report import plots
from .settings import TrainConfig

# Below this many cells (rows times columns), starting a second thread costs more than it saves.
_SMALL = 2_000_000

# MLflow's own limit for the value of a parameter.
_LONGEST = 6000
_OF_COLUMNS = ("data.dates", "data.numbers")
_OF_ESTIMATOR = "model.params."


def threads(cells: int) -> int:
    """Return how many threads to use for data of `cells`, rows times columns: one if it is small, else the free cores."""
    if cells < _SMALL:
        return 1
    others = max(0.0, os.getloadavg()[0] - 1)  # this process has kept a core busy, too
    return max(1, round(cpu_count.cores() - others))


def describe(dataset: Dataset) -> str:
    """Return a summary of the data: the task, the numbers of rows and columns, what was left out, the notes."""
    text = (
        f"{dataset.task}, {dataset.sizes()},"
        f" {len(dataset.columns.kinds)} columns ({dataset.columns.summary()})"
    )
    if dataset.repeated:
        text += f"; {dataset.repeated} test rows are duplicates of training rows, which flatters"
    if dataset.left_out:
        text += f"; left out: {', '.join(dataset.left_out)}"
    return "; ".join([text, *dataset.notes])


def fit(config: TrainConfig, dataset: Dataset) -> tuple[Any, str]:
    """Return the pipeline that `config.model` describes, fitted on the training set, and the device that fitted it.

    Raises:
        UserError: The estimator does not accept its parameters or the rows, or has no `predict_proba` in classification;
            or validation.slices.column is not a feature.
    """
    slices.check(config, dataset.train_rows)
    return accelerator.fit(lambda: _fit(config, dataset))


def _fit(config: TrainConfig, dataset: Dataset) -> Any:
    pipeline = model.build(config, dataset.columns, dataset.train_rows, dataset.train_target)
    try:
        train = dataset.train_rows, dataset.train_target, dataset.train_weights
        model.fit(pipeline, dataset.columns, *train)
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
    """Log the run, its metrics and its model to the experiment with this id; return the content of reports/train.json.

    Raises:
        UserError: There is no requirements.txt, or the pipeline holds a type that is not trusted.
    """
    import mlflow

    origin = {
        **tags(),
        "versions": versions(),
        "device": device,
        "data.source": config.data.source,
        "data.digest": dataset.digest,
        "data.rows": dataset.sizes(),
        "data.columns": dataset.columns.summary(),
        "data.left_out": ", ".join(dataset.left_out) or "nothing",
        "data.notes": "; ".join(dataset.notes) or "none",
    }
    settings = config.model_dump(mode="json")
    if dataset.target_format:  # labels that arrive later are read in the same way
        found = without_sign(dataset.target_format)
        settings["data"]["numbers"][config.data.target] = found
    with (
        open_runs.hold(experiment) as mark,
        mlflow.start_run(experiment_id=experiment, tags={**origin, **mark}) as run,
        named_if_full(run.info.artifact_uri),
    ):
        mlflow.log_params(parameters(settings))
        inputs.log(config.data.source, dataset)
        mlflow.log_metrics(_with_bounds(measured))
        with scratch() as folder:
            write_json(folder / "config.json", settings)
            drawn, test = folder / "plots", (dataset.test_rows, dataset.test_target)
            drawn.mkdir()
            plots.save(drawn, pipeline, *test, predictions)
            with named_if_full(run.info.artifact_uri):
                mlflow.log_artifacts(str(folder))
        runs.keep_fitted_rows(dataset, config.split.by)
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
    with scratch() as folder:
        stored = Path(mlflow.artifacts.download_artifacts(info.model_uri, dst_path=str(folder)))
        logged = {"model.uri": info.model_uri, "model.sha256": model_storage.digest(stored)}
    mlflow.set_tags(logged)
    return logged


def parameters(settings: dict[str, Any], prefix: str = "") -> dict[str, str]:
    """Return nested settings as MLflow parameters with dotted names; unset ones are left out.

    A mapping by names of columns or classes is one parameter, also in `model.params`: MLflow allows few characters in the
    name of a parameter, and 250 at most. A value that is too long for MLflow is cut; the run's config.json has all in full.

    >>> parameters({"split": {"test_size": 0.2, "column": None}, "data": {"dates": {"day": "%d.%m.%Y"}}})
    {'split.test_size': '0.2', 'data.dates': '{"day": "%d.%m.%Y"}'}
    """
    flat = {}
    for key, value in settings.items():
        by_names = f"{prefix}{key}" in _OF_COLUMNS or prefix == _OF_ESTIMATOR
        if isinstance(value, dict) and not by_names:
            flat.update(parameters(value, f"{prefix}{key}."))
        elif value is not None:
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            flat[f"{prefix}{key}"] = text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
    return flat


def _with_bounds(measured: dict[str, Estimate]) -> dict[str, float]:
    metrics = {}
    for name, estimate in measured.items():
        metrics[name] = estimate.value
        metrics[f"{name}.lower"] = estimate.lower
        metrics[f"{name}.upper"] = estimate.upper
    return {name: value for name, value in metrics.items() if value == value}
