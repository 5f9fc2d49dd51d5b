"""model.json: what the service has to know about the model besides the model."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from mlops_kit.core.errors import UserError
from mlops_kit.experiments.model_storage import StoredModel
from mlops_kit.experiments.pipeline import derived_by

from .encoding import Array, Encoder
from .predictor import Model
from .row_values import parsed, written

# No text of a table holds it, so it stands for every category that training did not see.
_UNSEEN = "\0"


def described(stored: StoredModel) -> list[dict[str, Any]]:
    """Return the columns with the number that the pipeline gives each category.

    Raises:
        UserError: The pipeline's first step is not the one that model.py builds.
    """
    names = stored.columns.named("categorical")
    try:
        encode = stored.pipeline.named_steps["encode"]
        tables = _tables(encode.named_transformers_["categorical"], names) if names else {}
    except (AttributeError, KeyError, ValueError, TypeError) as error:
        raise UserError(_no_encode(f"{type(error).__name__}: {error}")) from error
    return [{**column, **tables.get(column["name"], {})} for column in stored.profile]


def check_encoding(stored: StoredModel, columns: list[dict[str, Any]]) -> Array:
    """Return the held-out rows as the service encodes them, after comparing with the pipeline's own.

    Raises:
        UserError: They differ.
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
    """Return at most `most` held-out rows with the pipeline's answers; of every class one, if there is room.

    `outputs` are the pipeline's: probabilities (rows, classes), or numbers (rows, 1).

    Raises:
        UserError: Every row lacks a value that training never saw missing.
    """
    always = [column["name"] for column in columns if not column["missing"]]
    usual = np.flatnonzero(stored.held_out[always].notna().all(axis=1))
    if not len(usual):
        raise UserError(
            "every held-out row lacks a value that no row to fit on lacked: make pipeline"
        )
    chosen = _of_every_class(usual, outputs)[:most]
    rows = parsed(stored.columns, stored.held_out.iloc[chosen])
    answers = Model(
        {"columns": columns, "derived": [], "classes": classes}, lambda matrix: matrix
    ).answers(outputs[chosen])
    return [
        {"row": written(stored.columns, row), "answer": answer}
        for row, answer in zip(rows, answers)
    ]


def _of_every_class(usual: Any, outputs: Array) -> list[int]:
    """Order the rows: the first of each predicted class, then the others."""
    predicted = outputs[usual].argmax(axis=1)
    firsts = sorted(np.unique(predicted, return_index=True)[1].tolist())
    others = [position for position in range(len(usual)) if position not in firsts]
    return [int(usual[position]) for position in firsts + others]


def _tables(encoder: Any, names: list[str]) -> dict[str, dict[str, Any]]:
    """Ask the encoder for the number of every category of every column, of an unseen one and of none."""
    seen = [[text for text in texts if isinstance(text, str)] for texts in encoder.categories_]
    asked = [[*texts, _UNSEEN, None] for texts in seen]
    longest = max(len(texts) for texts in asked)
    padded = {name: texts + [None] * (longest - len(texts)) for name, texts in zip(names, asked)}
    numbers = encoder.transform(pd.DataFrame(padded, dtype=object).fillna(np.nan)).T.tolist()
    tables = {}
    for name, texts, codes in zip(names, seen, numbers):
        codes = [None if code != code else code for code in codes]  # JSON has no NaN
        tables[name] = {
            "categories": texts,
            "codes": codes[: len(texts)],
            "unseen_code": codes[len(texts)],
            "missing_code": codes[len(texts) + 1],
        }
    return tables


def _no_encode(reason: str) -> str:
    return (
        "the pipeline's first step has to be the `encode` that model.py builds, because the service does the"
        f" same without scikit-learn; put other preparation behind it ({reason})"
    )
