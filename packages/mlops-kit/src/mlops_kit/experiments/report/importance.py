"""What a model leans on: which columns it needs, and how its answer moves with each of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.inspection import permutation_importance

from mlops_kit.data import Columns
from mlops_kit.data.columns import plain

_IMPORTANCE_ROWS = 1000
_DEPENDENCE_ROWS = 300
_POINTS = 15
_MOST_CATEGORIES = 10
_MOST_CLASSES = 6


@dataclass(frozen=True)
class Importance:
    """By how much the score falls when the column is shuffled (Breiman, 2001): mean and standard deviation."""

    column: str
    mean: float
    spread: float


@dataclass(frozen=True)
class Dependence:
    """The mean answer when all rows have one value in `column` (partial dependence; Friedman, 2001).

    `points` are its values as texts; `positions`, 0 to 1, say where they lie, and there are none for what has no order.
    `curves` maps a class (in regression: the target) to a mean probability (number) at each point.
    """

    column: str
    points: list[str]
    positions: list[float]
    curves: dict[str, list[float]]


def importances(model: Any, rows: Any, target: Any) -> list[Importance]:
    """Return all columns, the most important first, by five shuffles of at most 1,000 rows."""
    few = slice(None, None, -(-len(rows) // _IMPORTANCE_ROWS))
    found = permutation_importance(model, rows[few], target[few], n_repeats=5, random_state=0)
    order = np.argsort(-found.importances_mean, kind="stable")
    return [
        Importance(
            str(rows.columns[i]), float(found.importances_mean[i]), float(found.importances_std[i])
        )
        for i in order
    ]


def dependence(model: Any, columns: Columns, rows: Any, target: str, name: str) -> Dependence:
    """Return how the answer moves with the column `name`, on at most 300 rows.

    scikit-learn's own function takes neither dates nor gaps, and before 1.7 no chosen values.
    """
    kind = columns.kinds[name]
    values = _values(rows[name], kind)
    if not values:
        return Dependence(name, [], [], {})
    few = rows[:: -(-len(rows) // _DEPENDENCE_ROWS)]
    # All values at once: a call costs a pipeline more than a few thousand rows.
    every = pd.concat([few] * len(values), ignore_index=True)
    every[name] = pd.Series(np.repeat(values, len(few)), dtype=rows[name].dtype)
    means = _answers(model, every).reshape(len(values), len(few), -1).mean(axis=1)
    curves = {label: means[:, k].tolist() for k, label in _labels(model, target, means)}
    return Dependence(name, [_text(v, kind) for v in values], _positions(values, kind), curves)


def _values(column: Any, kind: str) -> list[Any]:
    present = column.dropna()
    if kind in ("categorical", "boolean"):
        return list(present.value_counts().index[:_MOST_CATEGORIES])
    ordered = np.sort(present.to_numpy())
    if not len(ordered):
        return []
    # Without the outermost 2 %, where there is next to nothing to lean on.
    places = np.linspace(0.02, 0.98, _POINTS) * (len(ordered) - 1)
    return list(np.unique(ordered[places.round().astype(int)]))


def _answers(model: Any, rows: Any) -> Any:
    if hasattr(model, "classes_"):
        return np.asarray(model.predict_proba(rows))
    return np.asarray(model.predict(rows), dtype=float)


def _labels(model: Any, target: str, means: Any) -> list[tuple[int, str]]:
    """Name what is drawn: of two classes the second; of more, those whose probability moves most."""
    if not hasattr(model, "classes_"):
        return [(0, target)]
    labels = [str(plain(label)) for label in model.classes_]
    if len(labels) == 2:
        return [(1, labels[1])]
    most = sorted(np.argsort(-np.ptp(means, axis=0), kind="stable")[:_MOST_CLASSES].tolist())
    return [(k, labels[k]) for k in most]


def _positions(values: list[Any], kind: str) -> list[float]:
    if kind in ("categorical", "boolean") or len(values) < 2:
        return []
    numbers = np.array(values).astype("int64" if kind == "date" else "float64").astype(float)
    return list(((numbers - numbers[0]) / (numbers[-1] - numbers[0])).tolist())


def _text(value: Any, kind: str) -> str:
    if kind == "boolean":
        return "true" if value else "false"
    if kind == "date":
        return str(np.datetime64(value, "D"))
    return f"{value:.6g}" if kind == "numeric" else str(value)
