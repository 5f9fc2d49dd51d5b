"""The performance of recorded predictions on their labels."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from mlops_kit.core.errors import UserError, did_you_mean
from mlops_kit.core.values import Missing
from mlops_kit.data import Columns, batches
from mlops_kit.data.columns import plain
from mlops_kit.data.conversions import as_number, tidy
from mlops_kit.data.number_spelling import parse
from mlops_kit.data.settings import DataConfig
from mlops_kit.data.source_files import local_files
from mlops_kit.data.spelling import of_numbers, usual
from mlops_kit.experiments.metrics import Estimate, estimates, goodness
from mlops_kit.experiments.predictions import Predictions
from mlops_kit.experiments.settings import TrainConfig, metric_names

from .recorded_rows import Window

ID, ROW = "request_id", "row"
WEIGHT = "weight"  # of each row, 1 where the run has no data.weight
LEAST_OF_A_DAY = 20  # labels; with fewer an interval is meaningless
_TYPES = {ID: str, ROW: float}


@dataclass(frozen=True)
class Day:
    """The number of labelled rows of one day in UTC, and the metric that the run was validated by."""

    day: str
    labels: int
    estimate: Estimate


@dataclass(frozen=True)
class Performance:
    """The metrics of the labelled rows; `worse` is true if the one that the run was validated by has become worse.

    `replaced` counts labels that a later one of the same row replaces, `unknown` labels of rows that were not recorded.
    """

    labels: int
    metric: str
    metrics: dict[str, Estimate]
    worse: bool
    days: list[Day] = field(default_factory=list)
    replaced: int = 0
    unknown: int = 0


def measure(
    source: str, window: Window, run_config: TrainConfig, before: dict[str, float], least: int
) -> Performance:
    """Measure the rows of the window that have a label in the file `source`; with fewer than `least` there are no metrics.

    The performance is worse if the whole interval is on the worse side of `before`, the interval on the test set (`lower`
    and `upper`).

    Raises:
        UserError: The file cannot be read, or has labels that are no class of the model.
    """
    metric = run_config.validation.metric
    labels, replaced = latest_labels(source, run_config)
    rows = labelled(labels, window)
    days = _by_day(source, rows, window, run_config)
    found: dict[str, Estimate] = {}
    if len(rows) >= least:
        found = _estimates(metric_names(run_config.task), source, rows, window, run_config)
    worse = bool(found) and _is_worse(metric, found[metric], before)
    unknown = len(labels) - len(rows)
    return Performance(len(rows), metric, found, worse, days, replaced, unknown)


def _estimates(
    names: tuple[str, ...], source: str, rows: Any, window: Window, run_config: TrainConfig
) -> dict[str, Estimate]:
    found = predictions(source, rows, window, run_config.task)
    return estimates(names, found, run_config.validation.confidence, run_config.seed)


def _by_day(source: str, rows: Any, window: Window, run_config: TrainConfig) -> list[Day]:
    """Return the days with at least LEAST_OF_A_DAY labelled rows, in order."""
    if not len(rows):
        return []
    metric = run_config.validation.metric
    days = pd.to_datetime(window.keys.loc[rows.index, "time"], utc=True).dt.strftime("%Y-%m-%d")
    return [
        Day(str(day), len(its), _estimates((metric,), source, its, window, run_config)[metric])
        for day, its in rows.groupby(days)
        if len(its) >= LEAST_OF_A_DAY
    ]


def _is_worse(metric: str, now: Estimate, before: dict[str, float]) -> bool:
    if "lower" not in before or "upper" not in before:
        return False
    best = max(goodness(metric, now.lower), goodness(metric, now.upper))
    return best < min(goodness(metric, before["lower"]), goodness(metric, before["upper"]))


def latest_labels(source: str, run_config: TrainConfig) -> tuple[Any, int]:
    """Return the last label of each row that is not missing, and how many earlier ones these replace.

    Raises:
        UserError: The file `source` cannot be read.
    """
    labels = _read(source, run_config)
    known = labels.dropna(subset="label").drop_duplicates([ID, ROW, "label"], keep="last")
    latest = known.drop_duplicates([ID, ROW], keep="last")
    return latest, len(known) - len(latest)


def labelled(labels: Any, window: Window) -> Any:
    """Return the rows of the window that have a label, in the column `label`; the index is the position in the window."""
    keys = keys_of(window).merge(labels, on=[ID, ROW])
    return keys.set_index("index").sort_index()


def keys_of(window: Window) -> Any:
    """Return request id and row of each prediction, and its position in the window in the column `index`."""
    # Without rows, the columns of a window have types that cannot be merged with others.
    return window.keys[[ID, ROW]].reset_index().astype(_TYPES)


def classes(window: Window) -> list[str]:
    """Return the names of the classes of the window's predictions; an empty list in regression."""
    return [name for name in window.answers if name != "prediction"]


def _read(source: str, run_config: TrainConfig) -> Any:
    # The source is for messages; the other settings are those by which training read the target.
    config = run_config.data.model_copy(update={"source": f"labels {source}"})
    with local_files(source, "labels") as files:
        table = batches.open_table(files, config)
        weights = [] if config.weight is None else [config.weight]
        for name in (ID, config.target, *weights):
            if name not in table.types:
                # Metrics with weights cannot be compared with those without.
                why = " (data.weight of the run)" if name in weights else ""
                raise UserError(
                    f"labels {source} has no column {name!r}{why}{did_you_mean(name, table.types)}"
                )
        kinds = dict.fromkeys([config.target, *weights], "categorical")
        parts = [_keyed(batch, config) for batch in table.batches(kinds)]
    # A Parquet file without rows has no batch.
    every = pd.concat(parts) if parts else pd.DataFrame(columns=[ID, ROW, "label", WEIGHT])
    every = every.reset_index(drop=True).astype(_TYPES)
    return every.assign(label=_labels(every["label"], run_config, config))


def _keyed(batch: batches.Batch, config: DataConfig) -> Any:
    # Ids and rows are taken as in the file: "0012" is not 12, and row 0 is not missing where data.missing_values has 0.
    label = batch.values[config.target]
    rows = as_number(_series(batch.kept[ROW])) if ROW in batch.kept else 0.0
    columns = {ID: _series(batch.kept[ID]), ROW: rows, "label": label.to_numpy()}
    columns[WEIGHT] = (
        1.0 if config.weight is None else _weights(batch.values[config.weight], config)
    )
    return pd.DataFrame(columns, index=label.index)


def _weights(values: Any, config: DataConfig) -> Any:
    its = parse(config.numbers.get(str(config.weight), str(usual(config))))
    weights = as_number(values, its).to_numpy()
    wrong = ~((weights >= 0) & np.isfinite(weights))
    if wrong.any():
        raise UserError(
            f"{config.source} holds {plain(values[wrong].iloc[0])!r} in {config.weight!r}; accepted: numbers, 0 or more"
        )
    return weights


def _labels(labels: Any, run_config: TrainConfig, config: DataConfig) -> Any:
    """Return labels as numbers or, of classes, as strings without blanks around them; NaN where they are missing."""
    name, tidied = config.target, tidy(labels, Missing(config.missing_values))
    if run_config.task == "classification":
        return tidied
    its = of_numbers(name, tidied.dropna(), config)
    target = Columns({name: "numeric"}, {}, {name: str(its)}, config.missing_values)
    try:
        coerced = target.coerce(labels.to_frame(name))[name]
    except UserError as error:
        raise UserError(f"{config.source}: {error}") from None
    # As in training, infinity is a missing value in a feature, but not in a target.
    numbers = as_number(tidied, its)
    return coerced.where(~np.isinf(numbers), numbers)


def _series(values: Any) -> Any:
    return values if isinstance(values, pd.Series) else values.to_pandas()


def predictions(source: str, rows: Any, window: Window, task: str) -> Predictions:
    """Return the window's predictions for `rows`, the result of `labelled`, with their labels as the target.

    Raises:
        UserError: A label is no class of the model, or not a finite number.
    """
    answers, weights = window.answers.loc[rows.index], rows[WEIGHT].to_numpy(dtype=float)
    if task == "regression":
        truth = as_number(rows["label"])
        _refuse(source, rows["label"][~np.isfinite(truth)], "accepted: finite numbers")
        predicted = answers["prediction"].to_numpy(dtype=float)
        return Predictions(truth.to_numpy(), predicted, weights=weights)
    labels = classes(window)
    # Classes that differ only in zeros are strings, and only equal strings match them.
    alike = len({_spelled(label) for label in labels}) == len(labels)
    spell = _spelled if alike else str
    places = {spell(label): place for place, label in enumerate(labels)}
    spelled = rows["label"].map(spell)
    _refuse(source, rows["label"][~spelled.isin(places)], f"accepted: {', '.join(labels)}")
    probabilities = answers[labels].to_numpy(dtype=float)
    truth = spelled.map(places).to_numpy(dtype=int)
    predicted = probabilities.argmax(axis=1)
    of_model = tuple(window.classes.get(label, label) for label in labels)
    return Predictions(truth, predicted, probabilities, of_model, weights)


def _spelled(label: Any) -> str:
    """Return the spelling of a label that is the same for any kind of file: true for True, 3 for 3.0."""
    text = str(plain(label))
    if text.lower() in ("true", "false"):
        return text.lower()
    whole = text[:-2] if text.endswith(".0") else text
    return str(int(whole)) if whole.lstrip("-").isdecimal() else whole


def _refuse(source: str, wrong: Any, accepted: str) -> None:
    if len(wrong):
        raise UserError(f"labels {source} holds {plain(wrong.iloc[0])!r}; {accepted}")
