"""One size of growing.py: write the rows, or read, check and fit them, and print what that took."""

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
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    measured = {
        "file_mb": Path(file).stat().st_size / 1e6,
        "read_seconds": read,
        "fit_seconds": time.perf_counter() - start - read,
        "peak_mb": peak / (1e6 if sys.platform == "darwin" else 1e3),
    }
    print(json.dumps(measured))


if sys.argv[1] == "write":
    write(int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
else:
    fit(sys.argv[2])
