"""Summaries of the rows, column by column, for the report."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from sklearn.metrics import confusion_matrix

from mlops_kit.data import Dataset
from mlops_kit.data.columns import plain

from ..predictions import Predictions

_MOST_NAMED = 3


class Column(NamedTuple):
    """One column of the training set; `missing` is a share, 0 to 1."""

    name: str
    kind: str
    missing: float
    distinct: int
    values: str


def columns(dataset: Dataset) -> list[Column]:
    """Return a summary of each feature in the training set."""
    return [
        _column(name, kind, dataset.train_rows[name])
        for name, kind in dataset.columns.kinds.items()
    ]


def target(dataset: Dataset, task: str) -> list[list[str]]:
    """Return the target in both sets, as rows of a table: the rows of each class, or the range of the numbers."""
    parts = dataset.train_target, dataset.test_target
    if task == "regression":
        names = ("minimum", "median", "maximum")
        found = [np.quantile(np.asarray(part, dtype=float), [0, 0.5, 1]) for part in parts]
        return [
            [name, *(f"{of_part[i]:,.6g}" for of_part in found)] for i, name in enumerate(names)
        ]
    return [
        [str(plain(label)), *(f"{int((part == label).sum()):,}" for part in parts)]
        for label in np.unique(dataset.train_target)
    ]


def confusion(predictions: Predictions) -> list[dict[str, Any]]:
    """Return a row for each class: how many of its rows were predicted as each class, with their share of the row."""
    if predictions.probabilities is None:
        return []
    counts = confusion_matrix(
        predictions.truth, predictions.predicted, labels=range(len(predictions.classes))
    )
    return [
        {
            "label": str(plain(label)),
            "cells": [{"rows": int(n), "share": n / max(1, of_class.sum())} for n in of_class],
        }
        for label, of_class in zip(predictions.classes, counts)
    ]


def _column(name: str, kind: str, values: Any) -> Column:
    present = values.dropna()
    return Column(
        name, kind, float(values.isna().mean()), int(present.nunique()), summary(present, kind)
    )


def summary(present: Any, kind: str) -> str:
    """Return a one-line summary of the values of a column, none of which is missing."""
    if not len(present):
        return "no value"
    if kind == "numeric":
        low, middle, high = np.quantile(present, [0, 0.5, 1])
        return f"{low:,.6g} to {high:,.6g}, median {middle:,.6g}"
    if kind == "date":
        return f"{present.min():%Y-%m-%d} to {present.max():%Y-%m-%d}"
    shares = present.value_counts(normalize=True).head(_MOST_NAMED)
    if kind == "boolean":
        shares.index = ["true" if value else "false" for value in shares.index]
    return ", ".join(f"{value} {share:.0%}" for value, share in shares.items())
