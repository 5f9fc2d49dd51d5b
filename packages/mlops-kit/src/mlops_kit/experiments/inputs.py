"""Log the data of a run as a dataset input, which MLflow's UI shows."""

from __future__ import annotations

import json
from typing import Any

from mlops_kit.data import Dataset

# MLflow's own limits.
_LONGEST_NAME = 500
_LONGEST_DIGEST = 36


def log(source: str, dataset: Dataset) -> None:
    """Log the source as a dataset input of the active run; its digest is the first 36 characters of the SHA-256.

    The columns are in the model's signature.
    """
    import mlflow
    from mlflow.data.meta_dataset import MetaDataset

    digest = dataset.digest[:_LONGEST_DIGEST]
    logged = MetaDataset(_source(source), name=source[:_LONGEST_NAME], digest=digest)
    mlflow.log_input(logged, context="training", tags={"rows": dataset.sizes()})


def _source(source: str) -> Any:
    """Return MLflow's dataset source: a code source if it is not a file."""
    from mlflow.data.code_dataset_source import CodeDatasetSource
    from mlflow.data.dataset_source_registry import get_dataset_source_from_json

    if source.startswith(("sklearn:", "sql:")):
        return CodeDatasetSource({"data.source": source})
    kind = "s3" if source.startswith("s3://") else "local"
    return get_dataset_source_from_json(json.dumps({"uri": source}), kind)
