"""One size of growing.py: write the rows; or read and fit them, as `make train` does or plainly, and print what that took."""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow
from pyarrow import parquet

AT_ONCE = 100_000


def write(rows: int, columns: int, file: str) -> None:
    """Write rows of numbers and a class that three of them decide, but for noise."""
    draw = np.random.default_rng(0)
    names = [f"x{number}" for number in range(columns)]
    schema = pyarrow.schema(
        [*((name, pyarrow.float64()) for name in names), ("y", pyarrow.int64())]
    )
    with parquet.ParquetWriter(file, schema) as out:
        for start in range(0, rows, AT_ONCE):
            values = draw.normal(size=(min(AT_ONCE, rows - start), columns))
            noisy = values[:, 0] + values[:, 1] * values[:, 2] + draw.normal(size=len(values))
            arrays = [*values.T, (noisy > 0).astype(np.int64)]
            out.write_table(pyarrow.table(arrays, schema=schema))


def fit(file: str) -> None:
    """Do what `make train` does before it measures and tracks."""
    from threadpoolctl import threadpool_limits

    from mlops_kit import data
    from mlops_kit.core import project
    from mlops_kit.experiments import pipeline, training
    from mlops_kit.experiments.settings import TrainConfig

    from ml_template.__main__ import PROJECT

    project.use(PROJECT)
    config = TrainConfig.model_validate(
        {
            "experiment": "grow",
            "registered_model": "grow",
            "task": "classification",
            "data": {"source": file, "target": "y"},
            "validation": {"metric": "roc_auc"},
        }
    )
    start = time.perf_counter()
    dataset = data.load(config)
    read = time.perf_counter() - start
    with threadpool_limits(training.threads(dataset.train_rows.size)):
        rows, target = dataset.train_rows, dataset.train_target
        pipeline.build(config, dataset.columns, rows, target).fit(rows, target)
    _print(file, read, time.perf_counter() - start - read)


def fit_plainly(file: str) -> None:
    """Do the same with pandas and scikit-learn alone: the same share of the rows, no checks."""
    import pandas as pd
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.model_selection import train_test_split

    start = time.perf_counter()
    rows, _ = train_test_split(pd.read_parquet(file), test_size=0.2, random_state=0)
    read = time.perf_counter() - start
    model = HistGradientBoostingClassifier(max_iter=100, random_state=0)
    model.fit(rows.drop(columns="y"), rows["y"])
    _print(file, read, time.perf_counter() - start - read)


def _print(file: str, read: float, fitted: float) -> None:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    measured = {
        "file_mb": Path(file).stat().st_size / 1e6,
        "read_seconds": read,
        "fit_seconds": fitted,
        "peak_mb": peak / (1e6 if sys.platform == "darwin" else 1e3),
    }
    print(json.dumps(measured))


if sys.argv[1] == "write":
    write(int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
else:
    {"fit": fit, "plain": fit_plainly}[sys.argv[1]](sys.argv[2])
