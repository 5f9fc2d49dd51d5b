"""The manifest, model.json: what the service needs besides the model file."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from mlops_kit.core.errors import UserError
from mlops_kit.experiments.model_storage import StoredModel
from mlops_kit.experiments.pipeline import derived_by

from .encoding import Array, Encoder, in_rows
from .predictor import Model
from .row_values import parsed, written

# No string of a table contains it, so its encoding is that of every category that training did not see.
_UNSEEN = "\0"

# The encoding of a category in each transformer of `encode`: its ordinal code, or its mean target, one for each class.
_TABLES = {"categorical": "code", "target": "mean"}


def described(stored: StoredModel) -> list[dict[str, Any]]:
    """Return `columns` of model.json: the profile of each column, with its categories' encoding or its date parts.

    Raises:
        UserError: The pipeline's first step is not the kit's `encode`.
    """
    tables: dict[str, dict[str, Any]] = {name: {} for name in stored.columns.kinds}
    try:
        for kind, step, names in stored.pipeline.named_steps["encode"].transformers_:
            if kind in _TABLES and names:
                for name, table in _tables(step, names, _TABLES[kind]).items():
                    tables[name].update(table)
            if kind == "date":
                for name in names:
                    tables[name]["parts"] = step.parts[name]
    except (AttributeError, KeyError, ValueError, TypeError) as error:
        raise UserError(_no_encode(f"{type(error).__name__}: {error}")) from error
    return [{**column, **tables[column["name"]]} for column in stored.profile]


def check_encoding(stored: StoredModel, columns: list[dict[str, Any]]) -> Array:
    """Check that the service encodes the test set exactly as the pipeline does; return it encoded, shape (rows, width).

    Raises:
        UserError: The encodings differ.
    """
    ours = Encoder(columns, derived(stored)).matrix(parsed(stored.columns, stored.held_out))
    theirs = np.asarray(
        stored.pipeline.named_steps["encode"].transform(stored.held_out), dtype=float
    )
    if ours.shape != theirs.shape or not np.array_equal(ours, theirs, equal_nan=True):
        raise UserError(_no_encode("it gives other numbers"))
    return ours


def derived(stored: StoredModel) -> list[str]:
    """Return the names of the columns that features.py derives for the model."""
    step = derived_by(stored.pipeline)
    return step.names if step else []


def golden(
    stored: StoredModel,
    columns: list[dict[str, Any]],
    classes: list[Any],
    outputs: Array,
    most: int,
) -> list[dict[str, Any]]:
    """Return the golden rows: at most `most` rows of the test set and their predictions, one of each predicted class first.

    `outputs` are the pipeline's for the whole test set: probabilities (rows, classes), or numbers (rows, 1).

    Raises:
        UserError: Every row has a missing value in a column that had none in training.
    """
    always = [column["name"] for column in columns if not column["missing"]]
    usual = np.flatnonzero(stored.held_out[always].notna().all(axis=1))
    if not len(usual):
        raise UserError(
            "every row of the test set lacks a value that no row of the training set lacked: make pipeline"
        )
    chosen = _of_every_class(usual, outputs)[:most]
    rows = in_rows(parsed(stored.columns, stored.held_out.iloc[chosen]))
    answers = Model(
        {"columns": columns, "derived": [], "classes": classes}, lambda matrix: matrix
    ).answers(outputs[chosen])
    return [
        {"row": written(stored.columns, row), "answer": answer}
        for row, answer in zip(rows, answers)
    ]


def _of_every_class(usual: Any, outputs: Array) -> list[int]:
    """Return the positions `usual` in another order: the first of each predicted class, then the others."""
    predicted = outputs[usual].argmax(axis=1)
    firsts = sorted(np.unique(predicted, return_index=True)[1].tolist())
    others = [position for position in range(len(usual)) if position not in firsts]
    return [int(usual[position]) for position in firsts + others]


def _tables(encoder: Any, names: list[str], what: str) -> dict[str, dict[str, Any]]:
    """Return, by column, the categories and the encodings of each of them, of an unseen and of a missing one."""
    seen = [[text for text in texts if isinstance(text, str)] for texts in encoder.categories_]
    inputs = [[*texts, _UNSEEN, None] for texts in seen]
    longest = max(len(texts) for texts in inputs)
    padded = {name: texts + [None] * (longest - len(texts)) for name, texts in zip(names, inputs)}
    numbers = encoder.transform(pd.DataFrame(padded, dtype=object).fillna(np.nan))
    tables = {}
    for name, texts, found in zip(names, seen, np.split(numbers, len(names), axis=1)):
        # A code is one number, means are one or more.
        values = found.tolist() if what == "mean" else found[:, 0].tolist()
        values = [None if value != value else value for value in values]  # JSON has no NaN
        tables[name] = {
            "categories": texts,
            f"{what}s": values[: len(texts)],
            f"unseen_{what}": values[len(texts)],
            f"missing_{what}": values[len(texts) + 1],
        }
    return tables


def _no_encode(reason: str) -> str:
    return (
        "the pipeline's first step has to be the `encode` that the kit builds, because the service does the"
        f" same without scikit-learn; put other preparation behind it ({reason})"
    )
