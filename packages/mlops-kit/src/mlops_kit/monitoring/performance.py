"""How good the answers were, where it is known by now what came out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from mlops_kit.core.errors import UserError, did_you_mean
from mlops_kit.core.values import Missing
from mlops_kit.data import Columns, batches
from mlops_kit.data.columns import as_number, plain, tidy
from mlops_kit.data.settings import DataConfig
from mlops_kit.data.sources import located
from mlops_kit.data.spelling import of_numbers
from mlops_kit.experiments.metrics import Estimate, estimates, goodness
from mlops_kit.experiments.predictions import Predictions
from mlops_kit.experiments.settings import TrainConfig, metric_names

from .recorded_rows import Window

ID, ROW = "request_id", "row"
_TYPES = {ID: str, ROW: float}


@dataclass(frozen=True)
class Performance:
    """The metrics of the labelled rows; `worse` tells whether the one that the run was judged by has fallen."""

    labels: int
    metric: str
    metrics: dict[str, Estimate]
    worse: bool


def measure(
    source: str, window: Window, run_config: TrainConfig, before: dict[str, float], least: int
) -> Performance:
    """Measure the rows of the window whose labels the file `source` holds; with fewer than `least`, nothing.

    It is worse where the whole interval lies on the wrong side of `before`, the interval on the held-out rows
    (`lower` and `upper`).

    Raises:
        UserError: The file cannot be read, or holds labels that the model does not know.
    """
    metric = run_config.validation.metric
    rows = _labelled(source, window, run_config)
    if len(rows) < least:
        return Performance(len(rows), metric, {}, False)
    found = estimates(
        metric_names(run_config.task),
        _predictions(source, rows, window, run_config.task),
        run_config.validation.confidence,
        run_config.seed,
    )
    return Performance(len(rows), metric, found, _is_worse(metric, found[metric], before))


def _is_worse(metric: str, now: Estimate, before: dict[str, float]) -> bool:
    if "lower" not in before or "upper" not in before:
        return False
    best = max(goodness(metric, now.lower), goodness(metric, now.upper))
    return best < min(goodness(metric, before["lower"]), goodness(metric, before["upper"]))


def _labelled(source: str, window: Window, run_config: TrainConfig) -> Any:
    """Return the answers that have a label, with it in the column `label`; the place in the window is the index."""
    labels = _read(source, run_config)
    twice = labels[labels.duplicated([ID, ROW])]
    if len(twice):
        raise UserError(
            f"labels {source}: {ID} {twice[ID].iloc[0]!r}, {ROW} {twice[ROW].iloc[0]:g}, is there twice"
        )
    # Without a row, the columns of a window have types that no others can be merged with.
    keys = window.keys[[ID, ROW]].reset_index().astype(_TYPES)
    return keys.merge(labels, on=[ID, ROW]).dropna(subset="label").set_index("index").sort_index()


def _classes(window: Window) -> list[str]:
    return [name for name in window.answers if name != "prediction"]


def _read(source: str, run_config: TrainConfig) -> Any:
    # What sentences call it; the rest is as training read the target.
    config = run_config.data.model_copy(update={"source": f"labels {source}"})
    with located(source, "labels") as files:
        table = batches.opened(files, config)
        for name in (ID, config.target):
            if name not in table.types:
                raise UserError(
                    f"labels {source} has no column {name!r}{did_you_mean(name, table.types)}"
                )
        parts = [
            _keyed(batch, config.target) for batch in table.batches({config.target: "categorical"})
        ]
    # A file of Parquet without rows has no batch either.
    every = pd.concat(parts) if parts else pd.DataFrame(columns=[ID, ROW, "label"])
    every = every.reset_index(drop=True).astype(_TYPES)
    return every.assign(label=_labels(every["label"], run_config, config))


def _keyed(batch: batches.Batch, target: str) -> Any:
    # Ids and places as the file has them: "0012" is no 12, and place 0 is not missing where data.missing_values has 0.
    label = batch.values[target]
    rows = as_number(_series(batch.kept[ROW])) if ROW in batch.kept else 0.0
    told = {ID: _series(batch.kept[ID]), ROW: rows, "label": label.to_numpy()}
    return pd.DataFrame(told, index=label.index)


def _labels(labels: Any, run_config: TrainConfig, config: DataConfig) -> Any:
    """Return labels as numbers or, of classes, without blanks around them; NaN where they are missing."""
    name, tidied = config.target, tidy(labels, Missing(config.missing_values))
    if run_config.task == "classification":
        return tidied
    its = of_numbers(name, tidied.dropna(), config)
    target = Columns({name: "numeric"}, {}, {name: str(its)}, config.missing_values)
    try:
        coerced = target.coerce(labels.to_frame(name))[name]
    except UserError as error:
        raise UserError(f"{config.source}: {error}") from None
    # As in training: to a feature infinite is missing, and no target is.
    numbers = as_number(tidied, its)
    return coerced.where(~np.isinf(numbers), numbers)


def _series(values: Any) -> Any:
    return values if isinstance(values, pd.Series) else values.to_pandas()


def _predictions(source: str, rows: Any, window: Window, task: str) -> Predictions:
    answers = window.answers.loc[rows.index]
    if task == "regression":
        truth = as_number(rows["label"])
        _refuse(source, rows["label"][~np.isfinite(truth)], "accepted: finite numbers")
        return Predictions(truth.to_numpy(), answers["prediction"].to_numpy(dtype=float))
    labels = _classes(window)
    # Classes that differ in zeros alone are texts, and only the same texts are these.
    alike = len({_spelled(label) for label in labels}) == len(labels)
    spell = _spelled if alike else str
    places = {spell(label): place for place, label in enumerate(labels)}
    spelled = rows["label"].map(spell)
    _refuse(source, rows["label"][~spelled.isin(places)], f"accepted: {', '.join(labels)}")
    probabilities = answers[labels].to_numpy(dtype=float)
    truth = spelled.map(places).to_numpy(dtype=int)
    return Predictions(truth, probabilities.argmax(axis=1), probabilities)


def _spelled(label: Any) -> str:
    """Return a label as one text, whatever file it is from: true for True, 3 for 3.0."""
    text = str(plain(label))
    if text.lower() in ("true", "false"):
        return text.lower()
    whole = text[:-2] if text.endswith(".0") else text
    return str(int(whole)) if whole.lstrip("-").isdecimal() else whole


def _refuse(source: str, wrong: Any, accepted: str) -> None:
    if len(wrong):
        raise UserError(f"labels {source} holds {plain(wrong.iloc[0])!r}; {accepted}")
