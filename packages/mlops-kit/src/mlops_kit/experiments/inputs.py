"""Log the data of a run as MLflow shows it: an input of the run."""

from __future__ import annotations

import json
from typing import Any

from mlops_kit.data import Dataset

# MLflow's own limits.
_LONGEST_NAME = 500
_LONGEST_DIGEST = 36


def log(source: str, dataset: Dataset) -> None:
    """Log the source as an input of the active run, under the beginning of its SHA-256; the columns are in the model's signature."""
    import mlflow
    from mlflow.data.meta_dataset import MetaDataset

    digest = dataset.digest[:_LONGEST_DIGEST]
    logged = MetaDataset(_source(source), name=source[:_LONGEST_NAME], digest=digest)
    mlflow.log_input(logged, context="training", tags={"rows": dataset.sizes()})


def _source(source: str) -> Any:
    """Return the source as MLflow has it; one that is no file is a source of the code."""
    from mlflow.data.code_dataset_source import CodeDatasetSource
    from mlflow.data.dataset_source_registry import get_dataset_source_from_json

    if source.startswith(("sklearn:", "sql:")):
        return CodeDatasetSource({"data.source": source})
    kind = "s3" if source.startswith("s3://") else "local"
    return get_dataset_source_from_json(json.dumps({"uri": source}), kind)
