"""Feature importance: which columns a model needs (permutation importance), and how (partial dependence)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import accuracy_score, r2_score

from mlops_kit.data import Columns
from mlops_kit.data.columns import plain

_IMPORTANCE_ROWS = 1000
_SHUFFLES = 5
_ROWS_A_CALL = 50_000
_DEPENDENCE_ROWS = 300
_POINTS = 15
_MOST_CATEGORIES = 10
_MOST_CLASSES = 6


@dataclass(frozen=True)
class Importance:
    """The drop of the score when the column is shuffled (Breiman, 2001): mean and standard deviation."""

    column: str
    mean: float
    spread: float


@dataclass(frozen=True)
class Dependence:
    """The mean prediction when all rows have one value in `column` (partial dependence; Friedman, 2001).

    `points` are its values as text; `positions` are theirs on the axis, 0 to 1, and empty for values without an order.
    `curves` maps a class (in regression: the target) to the mean probability (prediction) at each point.
    """

    column: str
    points: list[str]
    positions: list[float]
    curves: dict[str, list[float]]


def importances(model: Any, rows: Any, target: Any, weights: Any = None) -> list[Importance]:
    """Return the importance of all columns, the highest first, from five shuffles of at most 1,000 rows.

    `target` and `weights` are of shape (rows,). The score is accuracy, in regression R². The shuffles are those of
    scikit-learn's `permutation_importance`, which calls the model for each one; here many share a call, because for a
    pipeline a call costs more than a few thousand rows.
    """
    few = slice(None, None, -(-len(rows) // _IMPORTANCE_ROWS))
    rows, target = rows[few].reset_index(drop=True), np.asarray(target[few])
    measure = accuracy_score if hasattr(model, "classes_") else r2_score
    score = partial(measure, target, sample_weight=_weights(weights, few))
    usual = score(model.predict(rows))
    orders = _orders(len(rows))  # the same for each column
    at_once = max(1, _ROWS_A_CALL // (_SHUFFLES * len(rows)))
    losses: list[Any] = []
    for start in range(0, rows.shape[1], at_once):
        names = rows.columns[start : start + at_once]
        shuffled = [_with(rows, name, order) for name in names for order in orders]
        predictions = np.asarray(model.predict(pd.concat(shuffled, ignore_index=True)))
        losses += [usual - score(each) for each in np.split(predictions, len(shuffled))]
    by_column = np.reshape(losses, (-1, _SHUFFLES))
    means, spreads = by_column.mean(axis=1), by_column.std(axis=1)
    return [
        Importance(str(rows.columns[i]), float(means[i]), float(spreads[i]))
        for i in np.argsort(-means, kind="stable")
    ]


def _weights(weights: Any, part: slice) -> Any:
    """Return the weights of a part of the rows; None if there are none, or all are 0."""
    return None if weights is None or not weights[part].any() else weights[part]


def _orders(rows: int) -> list[Any]:
    """Return the orders that permutation_importance gives the rows for `random_state=0`: each shuffles the one before."""
    seed = np.random.RandomState(0).randint(np.iinfo(np.int32).max + 1)
    draw, shuffle, orders = np.random.RandomState(seed), np.arange(rows), [np.arange(rows)]
    for _ in range(_SHUFFLES):
        draw.shuffle(shuffle)
        orders.append(orders[-1][shuffle])
    return orders[1:]


def _with(rows: Any, name: str, order: Any) -> Any:
    """Return the rows with the values of one column in another order."""
    return rows.assign(**{name: rows[name].take(order).array})


def dependence(
    model: Any, columns: Columns, rows: Any, target: str, name: str, weights: Any = None
) -> Dependence:
    """Return the partial dependence on the column `name`, a mean over at most 300 rows, weighted by `weights` (rows,).

    scikit-learn's own function takes neither dates nor missing values, and before 1.7 no values of one's choice.
    """
    kind = columns.kinds[name]
    values = _values(rows[name], kind)
    if not values:
        return Dependence(name, [], [], {})
    part = slice(None, None, -(-len(rows) // _DEPENDENCE_ROWS))
    few, weighed = rows[part], _weights(weights, part)
    # All values at once: a call costs a pipeline more than a few thousand rows.
    every = pd.concat([few] * len(values), ignore_index=True)
    every[name] = pd.Series(np.repeat(values, len(few)), dtype=rows[name].dtype)
    each = _predictions(model, every).reshape(len(values), len(few), -1)
    means = np.average(each, axis=1, weights=weighed)
    curves = {label: means[:, k].tolist() for k, label in _labels(model, target, means)}
    return Dependence(name, [_text(v, kind) for v in values], _positions(values, kind), curves)


def _values(column: Any, kind: str) -> list[Any]:
    present = column.dropna()
    if kind in ("categorical", "boolean"):
        return list(present.value_counts().index[:_MOST_CATEGORIES])
    ordered = np.sort(present.to_numpy())
    if not len(ordered):
        return []
    # Without the outermost 2 %, where there are next to no rows.
    places = np.linspace(0.02, 0.98, _POINTS) * (len(ordered) - 1)
    return list(np.unique(ordered[places.round().astype(int)]))


def _predictions(model: Any, rows: Any) -> Any:
    if hasattr(model, "classes_"):
        return np.asarray(model.predict_proba(rows))
    return np.asarray(model.predict(rows), dtype=float)


def _labels(model: Any, target: str, means: Any) -> list[tuple[int, str]]:
    """Return the classes to draw, position and name: of two the second; of more, those whose probability varies most."""
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
