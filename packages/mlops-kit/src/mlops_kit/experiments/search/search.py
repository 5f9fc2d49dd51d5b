"""Search hyperparameters on a cluster, and report how to train with the best."""

from __future__ import annotations

import json
import shlex
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mlops_kit.core import project
from mlops_kit.core.console import echo, progress, step
from mlops_kit.core.errors import UserError
from mlops_kit.core.files import write_json
from mlops_kit.core.provenance import tags, versions
from mlops_kit.data import Dataset

from .. import cluster, pipeline, slices
from .. import store as tracking
from ..settings import TrainConfig, metric_names
from . import rounds
from .candidates import Candidate, best_first, draw
from .log import open_logbook
from .settings import SEARCH, SearchConfig

REPORT = Path("reports/search.json")

_SHOWN = 5


def search(config: TrainConfig, settings: SearchConfig) -> dict[str, Any]:
    """Try parameters on the training set, and log each set of them; write and return reports/search.json.

    Raises:
        UserError: The data, the parameters, the cluster or the tracking store cannot be used.
    """
    with step("data") as running:
        dataset = project.current().load(config)
        config = _with_metric(config.for_task(dataset.task), settings)
        metric = config.validation.metric
        slices.check(config, dataset.train_rows)
        candidates = draw(settings)
        _check_params(config, dataset, candidates)
        whole = rounds.part(dataset, config, settings.folds)
        running.detail = f"{len(whole.rows)} training rows, in {settings.folds} folds"
    origin = {
        **tags(),
        "versions": versions(),
        "data.digest": dataset.digest,
        "search": SEARCH.stem,
    }
    with tracking.connect() as store, cluster.connect(settings.workers) as client:
        experiment = tracking.experiment_id(store, config.experiment)
        echo(f"cluster    {len(client.nthreads())} workers; watch them: {client.dashboard_link}")
        with open_logbook(store, experiment, metric, origin) as logbook:
            with step("search") as running, progress("search") as show:
                going = rounds.run(client, whole, config, settings, candidates, logbook.note)
                for share in going:
                    best = best_first(candidates, metric)[0]
                    show(share, f"best {metric} {_last(best)}")
                best = best_first(candidates, metric)[0]
                running.detail = f"{len(candidates)} candidates, run {logbook.run_id}"
            logbook.end(best)
            report = _report(config, candidates, logbook.run_id)
    write_json(REPORT, report)
    return report


def table(report: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Return a table of the best candidates of a report, and of the config's own parameters: columns and rows."""
    candidates = report["candidates"]
    shown = candidates[:_SHOWN] + [each for each in candidates[_SHOWN:] if each["number"] == 0]
    rows = []
    for candidate in shown:
        params = ", ".join(f"{name} {value}" for name, value in candidate["params"].items())
        last = candidate["scores"][-1] if candidate["scores"] else None
        score = f"{last['mean']:.4f} ± {last['deviation']:.4f}" if last else candidate["failure"]
        rows.append([params or "the config's own", score, f"{last['rows']:,}" if last else "–"])
    return ["parameters", report["metric"], "rows"], rows


def _with_metric(config: TrainConfig, settings: SearchConfig) -> TrainConfig:
    metric = settings.metric or config.validation.metric
    if metric not in metric_names(config.task):
        accepted = ", ".join(metric_names(config.task))
        raise UserError(f"{SEARCH}: metric is {metric!r}; accepted for {config.task}: {accepted}")
    validation = config.validation.model_copy(update={"metric": metric})
    return config.model_copy(update={"validation": validation})


def _check_params(config: TrainConfig, dataset: Dataset, candidates: list[Candidate]) -> None:
    """Raise a UserError for a parameter that the estimator does not have, before anything is fitted."""
    try:
        for candidate in candidates[:2]:
            tried = rounds.with_params(config, candidate.params)
            pipeline.build(tried, dataset.columns, dataset.train_rows, dataset.train_target)
    except UserError as error:
        raise UserError(f"{SEARCH} does not fit model.kind {config.model.kind}: {error}") from None


def _report(config: TrainConfig, candidates: list[Candidate], run_id: str) -> dict[str, Any]:
    metric = config.validation.metric
    ordered = best_first(candidates, metric)
    return {
        "run_id": run_id,
        "metric": metric,
        "tracking_uri": tracking.redacted(tracking.uri()),
        "set": " ".join(_settings(ordered[0].params)),
        "candidates": [asdict(candidate) for candidate in ordered],
    }


def _settings(params: dict[str, Any]) -> list[str]:
    """Return parameters as SET takes them."""
    words = (f"model.params.{name}={json.dumps(value)}" for name, value in params.items())
    return [shlex.quote(word) for word in words]


def _last(candidate: Candidate) -> str:
    return f"{candidate.scores[-1].mean:.4f}" if candidate.scores else "–"
