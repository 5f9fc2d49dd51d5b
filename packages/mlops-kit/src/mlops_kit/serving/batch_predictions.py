"""Predictions for a batch of rows of a file, column by column."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from mlops_kit.artifact.encoding import Array
from mlops_kit.artifact.predictor import NOT_FINITE, Model
from mlops_kit.core import features
from mlops_kit.core.errors import UserError, one_line
from mlops_kit.data import Columns
from mlops_kit.data.settings import DataConfig
from mlops_kit.data.spelling import usual
from mlops_kit.experiments.encode import DateParts, arrays


@dataclass
class New:
    """The number of new values by column: missing where training saw none missing, and categories that it did not see."""

    missing: Counter[str] = field(default_factory=Counter)
    unseen: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class Answer:
    """The rows of a batch in the model's types, the columns with the predictions, and the number of new values."""

    rows: Any
    columns: dict[str, Any]
    new: New


def answer(model: Model, values: Any, before: int, config: DataConfig) -> Answer:
    """Return the predictions for `values`, a batch of `config.source` after its first `before` rows.

    Raises:
        UserError: A value is not of its column's kind, or the prediction of a row is not finite.
    """
    new, rows = New(), _coerced(columns(model, config), values, before, config.source)
    encoded = matrix(model.card["columns"], model.card["derived"], rows, new)
    return Answer(rows, _answers(model, _outputs(model, encoded, before, config.source)), new)


def columns(model: Model, config: DataConfig) -> Columns:
    """Return the columns that the model takes, with the formats of training, to parse strings.

    The number format of a column is that in `config.numbers`, else that of training, else the usual one.
    """
    described = model.card["columns"]
    kinds = {column["name"]: column["kind"] for column in described}
    formats = {column["name"]: column["format"] for column in described if column.get("format")}
    numeric = [name for name, kind in kinds.items() if kind == "numeric"]
    numbers = {name: formats.get(name, str(usual(config))) for name in numeric}
    numbers.update({name: config.numbers[name] for name in numeric if name in config.numbers})
    dates = {name: its for name, its in formats.items() if kinds[name] == "date"}
    return Columns(kinds, dates, numbers, model.card["missing_values"])


def types(model: Model) -> dict[str, Any]:
    """Return the Arrow types of the added columns, by name: prediction, and of a classifier probability_CLASS."""
    import pyarrow

    from mlops_kit.data import arrow_types

    first = arrow_types.of_predictions(model.classes)
    return {"prediction": first, **{f"probability_{key}": pyarrow.float64() for key in model.keys}}


def matrix(described: list[dict[str, Any]], derived: list[str], rows: Any, new: New) -> Array:
    """Encode rows as `artifact.encoding.Encoder` does, but by column; return shape (rows, width), and count new values."""
    of_kind = {
        kind: [column for column in described if column["kind"] == kind]
        for kind in ("categorical", "numeric", "boolean", "date")
    }
    codes, means = _categories(of_kind["categorical"], rows, new)
    parts = codes + means
    plain = [column["name"] for column in of_kind["numeric"] + of_kind["boolean"]]
    parts += [rows[name].to_numpy(dtype=np.float64) for name in plain]
    if of_kind["date"]:
        its_parts = {column["name"]: column["parts"] for column in of_kind["date"]}
        parts.append(DateParts(its_parts).transform(rows[list(its_parts)]))
    if derived:
        parts.append(features.matrix(arrays(rows[[each["name"] for each in described]]), derived))
    for column in described:
        gone = int(rows[column["name"]].isna().sum())
        if gone and not column["missing"]:
            new.missing[column["name"]] += gone
    stacked: Array = np.column_stack(parts)
    return stacked


def _categories(
    columns: list[dict[str, Any]], rows: Any, new: New
) -> tuple[list[Array], list[Array]]:
    """Return the codes, (rows,) for each encoded column, and the mean targets, (rows, 1) or (rows, classes)."""
    found: dict[str, list[Array]] = {"code": [], "mean": []}
    for column in columns:
        places, distinct = pd.factorize(rows[column["name"]])  # missing: place -1
        known = {text: place for place, text in enumerate(column["categories"])}
        unseen = len(known)
        of_distinct = [known.get(text, unseen) for text in distinct]
        of_rows = np.array([*of_distinct, unseen + 1])[places]
        if count := int((of_rows == unseen).sum()):
            new.unseen[column["name"]] += count
        for what, of_columns in found.items():
            if f"{what}s" in column:
                values = [*column[f"{what}s"], column[f"unseen_{what}"], column[f"missing_{what}"]]
                # NumPy converts None to NaN.
                of_columns.append(np.array(values, dtype=np.float64)[of_rows])
    return found["code"], found["mean"]


def _coerced(its_columns: Columns, values: Any, before: int, data: str) -> Any:
    """Return the model's columns in its types; an error names the row in the file, not that in the batch."""

    def in_the_file(found: re.Match[str]) -> str:
        return f"in row {int(found[1]) + before}"

    try:
        return its_columns.coerce(values)
    except UserError as error:
        raise UserError(f"{data}: " + re.sub(r"in row (\d+)$", in_the_file, str(error))) from None


def _outputs(model: Model, encoded: Array, before: int, data: str) -> Array:
    """Return the model's outputs; what /predict refuses is an error here as well, which names the row in the file."""
    if not len(encoded):
        return np.empty((0, max(1, len(model.classes))))
    try:
        outputs = model.form(encoded)
    except ValueError as error:  # scikit-learn's error for numbers that overflow
        rows = f"rows {before + 1} to {before + len(encoded)}"
        raise UserError(f"{data}: {rows} cannot be predicted: {one_line(error)}") from None
    wrong = np.flatnonzero(~np.isfinite(outputs).all(axis=1))
    if len(wrong):
        raise UserError(f"{data}: {NOT_FINITE}, in row {before + int(wrong[0]) + 1}")
    return outputs


def _answers(model: Model, outputs: Array) -> dict[str, Any]:
    """Return the added columns, each of shape (rows,); `Model.answers` returns the same by row."""
    names = list(types(model))
    if not model.classes:
        return {names[0]: outputs[:, 0]}
    predicted = [model.classes[best] for best in outputs.argmax(axis=1).tolist()]
    return dict(zip(names, [predicted, *outputs.T]))
