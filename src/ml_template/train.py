"""One training run, from the data to a tracked model. `make train` runs it; add your own steps between these."""

from __future__ import annotations

from typing import Any

from threadpoolctl import threadpool_limits

from mlops_kit.core.console import step
from mlops_kit.core.files import write_json
from mlops_kit.experiments import champion, runs, store, training
from mlops_kit.experiments.metrics import estimates
from mlops_kit.experiments.predictions import predict
from mlops_kit.experiments.settings import TrainConfig, metric_names

from .data import load


def train(config: TrainConfig) -> dict[str, Any]:
    """Fit, measure and track one run; write and return reports/train.json.

    Raises:
        UserError: The data, a parameter or the tracking store cannot be used.
    """
    with step("data") as running:
        dataset = load(config)
        config = config.for_task(dataset.task)
        running.detail = training.describe(dataset)
    # The store is opened first, so that a server that is down is found before a long fit.
    with (
        store.connect() as client,
        threadpool_limits(training.threads(dataset.train_rows.size)),
    ):
        champion.check_columns(client, config, dataset)
        experiment = store.experiment_id(client, config.experiment)
        store.check_artifacts(client, experiment)
        with step("fit") as running:
            pipeline, device = training.fit(config, dataset)
            running.detail = f"{config.model.kind} on the {device}"
        with step("measure") as running:
            test = dataset.test_rows, dataset.test_target
            predictions = predict(pipeline, *test, config.task, dataset.test_weights)
            confidence, metric = config.validation.confidence, config.validation.metric
            measured = estimates(metric_names(config.task), predictions, confidence, config.seed)
            running.detail = f"{metric} {measured[metric].value:.4f}"
        with step("track") as running:
            report = training.track(
                config, dataset, experiment, pipeline, device, predictions, measured
            )
            running.detail = f"run {report['run_id']}"
    write_json(runs.LAST, report)
    return report
