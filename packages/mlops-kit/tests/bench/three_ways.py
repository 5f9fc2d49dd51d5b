"""Ask a fitted model of the same rows in three ways: in the frame that training reads, from the file, by a request."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd

from mlops_kit.artifact import manifest, request_schema, row_values
from mlops_kit.artifact.encoding import in_rows
from mlops_kit.artifact.predictor import Model, outputs
from mlops_kit.data import batches, source_files, sources
from mlops_kit.data.profile import profile
from mlops_kit.data.settings import DataConfig
from mlops_kit.serving import batch_predictions

MOST_ROWS = 200


def disagreements(config: DataConfig, dataset: Any, pipeline: Any, table: Any) -> tuple[int, int]:
    """Return for how many rows the three predictions differ in any digit, and how many rows were compared.

    `table` is what the source was written from, as a program has it that sends requests. The model is not converted to
    ONNX, which an export compares by itself.
    """
    columns = dataset.columns
    model = _model(columns, pipeline, dataset.train_rows)
    frame = sources.read(config)[0]
    frame.columns = [str(name) for name in frame]
    rows = columns.coerce(frame)
    places = _complete(rows, model.card["columns"])
    if not len(places):
        return 0, 0
    rows = rows.iloc[places]
    expected = outputs(pipeline, rows)
    sent = _requests(columns, rows, table.iloc[places])
    checker = request_schema.Checker(model.card["columns"], {}, len(sent))
    try:
        by_request = model.form(model.encoder.matrix(checker.values(json.dumps({"rows": sent}))))
    except request_schema.RefusedRowsError:
        return len(places), len(places)
    same = (by_request == expected) & (_from_file(model, config, places) == expected)
    return int((~same.all(axis=1)).sum()), len(places)


def _model(columns: Any, pipeline: Any, rows: Any) -> Model:
    """Return the model as an export would make it."""
    stored: Any = SimpleNamespace(
        columns=columns, pipeline=pipeline, profile=profile(columns, rows)
    )
    card = {
        "columns": manifest.described(stored),
        "derived": manifest.derived(stored),
        "classes": [],
        "missing_values": columns.missing_values,
    }
    return Model(card, lambda matrix: outputs(pipeline[1:], matrix))


def _from_file(model: Model, config: DataConfig, places: Any) -> Any:
    its_columns, found = batch_predictions.columns(model, config), []
    with source_files.local_files(config.source, "data.source") as files:
        for batch in batches.open_table(files, config).batches(its_columns.kinds):
            here = places[(places >= batch.before) & (places < batch.before + len(batch.values))]
            if len(here):
                rows = its_columns.coerce(batch.values).iloc[here - batch.before]
                card, new = model.card, batch_predictions.New()
                matrix = batch_predictions.matrix(card["columns"], card["derived"], rows, new)
                found.append(model.form(matrix))
    return np.vstack(found)


def _complete(rows: Any, described: list[dict[str, Any]]) -> Any:
    """Return places of rows that lack nothing which no training row lacked: a request without it is refused."""
    always = [column["name"] for column in described if not column["missing"]]
    places = np.flatnonzero(rows[always].notna().all(axis=1))
    return places[:: max(1, len(places) // MOST_ROWS)]


def _requests(columns: Any, rows: Any, table: Any) -> list[dict[str, Any]]:
    """Return what requests hold: each value as the table has it, but numbers and dates that it has as texts."""
    table.columns = [str(name).strip() for name in table]
    parsed = in_rows(row_values.parsed(columns, rows))
    sent = [row_values.written(columns, row) for row in parsed]
    for name, kind in columns.kinds.items():
        if kind == "date" or (kind == "numeric" and table[name].dtype == object):
            continue
        # JSON has neither; both are missing.
        values = table[name].replace([np.inf, -np.inf], np.nan)
        for row, value in zip(sent, values.tolist()):
            row[name] = None if pd.isna(value) else value
    return sent
