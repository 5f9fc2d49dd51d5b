"""Prediction on Dask, in the order of the batches; workers receive the model and the rows, and need no shared files."""

from __future__ import annotations

import tempfile
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mlops_kit.artifact.predictor import Model, load
from mlops_kit.data.batches import Batch
from mlops_kit.data.settings import DataConfig
from mlops_kit.experiments import cluster

from .batch_predictions import Answer, answer

# Batches read ahead for each thread of the cluster: they have to fit in memory.
_AHEAD = 2

# The model that this worker has loaded, by a hash of its files.
_models: dict[int, Model] = {}


def answered(
    client: Any, folder: Path, batches: Iterator[Batch], config: DataConfig
) -> Iterator[tuple[Batch, Answer]]:
    """Yield the batches in their order, each with the predictions of the model in `folder`.

    Raises:
        UserError: As `batch_predictions.answer`, or the cluster is lost.
    """
    model = cluster.keep(client, _packed(folder))
    waiting: deque[tuple[Batch, Any]] = deque()
    most = _AHEAD * sum(client.nthreads().values())
    for batch in batches:
        task = _answer, model, batch.values, batch.before, config
        future = client.submit(*task, retries=cluster.RETRIES, pure=False)
        waiting.append((batch, future))
        if len(waiting) > most:
            yield _first(client, waiting)
    while waiting:
        yield _first(client, waiting)


def _first(client: Any, waiting: deque[tuple[Batch, Any]]) -> tuple[Batch, Answer]:
    """Return the oldest batch with its predictions, as soon as they are there."""
    batch, future = waiting.popleft()
    found: Answer = cluster.result(client, next(cluster.finished(client, [future])))
    return batch, found


def _packed(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}


def _answer(files: dict[str, bytes], values: Any, before: int, config: DataConfig) -> Answer:
    return answer(_unpacked(files), values, before, config)


def _unpacked(files: dict[str, bytes]) -> Model:
    key = hash(tuple(sorted(files.items())))
    model = _models.get(key)
    if model is None:
        with tempfile.TemporaryDirectory() as folder:
            for name, content in files.items():
                Path(folder, name).write_bytes(content)
            model = load(Path(folder))
        _models.clear()
        _models[key] = model
    return model  # not from _models, where another thread of the worker may have put another one
