"""Pictures of how a model does on the held-out rows, by scikit-learn's own displays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from sklearn.calibration import CalibrationDisplay
from sklearn.metrics import (
    ConfusionMatrixDisplay,
    PrecisionRecallDisplay,
    PredictionErrorDisplay,
    RocCurveDisplay,
)

from ..predictions import Predictions
from .importance import importances

_MOST_FEATURES = 20
_MOST_CURVES = 10

_CURVES = {
    "roc": RocCurveDisplay,
    "precision_recall": PrecisionRecallDisplay,
    "calibration": CalibrationDisplay,
}

mpl.use("Agg")


def draw(folder: Path, model: Any, rows: Any, target: Any, predictions: Predictions) -> list[Path]:
    """Write the PNGs that fit the task into `folder` and return them.

    Classification: ROC, precision-recall, calibration, confusion. Regression: residuals, predicted
    against actual. Both: permutation importance (Breiman, 2001) on at most 1,000 rows.
    """
    if predictions.probabilities is None:
        figures = {
            "residuals": _errors(predictions, "residual_vs_predicted"),
            "predicted": _errors(predictions, "actual_vs_predicted"),
        }
    else:
        labels, truth = [_plain(label) for label in model.classes_], predictions.truth
        figures = {
            name: _curves(display, labels, truth, predictions.probabilities)
            for name, display in _CURVES.items()
        }
        figures["confusion"] = _confusion(labels, predictions)
    figures["importance"] = _importance(model, rows, target)
    return [_save(folder / f"{name}.png", figure) for name, figure in figures.items()]


def _save(path: Path, figure: Figure) -> Path:
    figure.savefig(path, dpi=100)
    return path


def _curves(display: Any, labels: list[str], truth: Any, probabilities: Any) -> Figure:
    """One curve for the second of two classes; of more classes, one each against the rest."""
    figure, axes = _square()
    for k in [1] if len(labels) == 2 else range(min(len(labels), _MOST_CURVES)):
        display.from_predictions(truth == k, probabilities[:, k], name=labels[k], ax=axes)
    return figure


def _confusion(labels: list[str], predictions: Predictions) -> Figure:
    figure, axes = _square()
    ConfusionMatrixDisplay.from_predictions(
        predictions.truth,
        predictions.predicted,
        labels=range(len(labels)),
        display_labels=labels,
        ax=axes,
        xticks_rotation="vertical" if len(labels) > 4 else "horizontal",
    )
    return figure


def _errors(predictions: Predictions, kind: str) -> Figure:
    figure, axes = _square()
    PredictionErrorDisplay.from_predictions(
        predictions.truth, predictions.predicted, kind=kind, ax=axes
    )
    return figure


def _importance(model: Any, rows: Any, target: Any) -> Figure:
    found = importances(model, rows, target)[:_MOST_FEATURES][::-1]
    figure = Figure(figsize=(7, 1 + 0.3 * len(found)), layout="constrained")
    axes = figure.subplots()
    names = [_plain(each.column) for each in found]
    axes.barh(names, [each.mean for each in found], xerr=[each.spread for each in found])
    axes.set_xlabel("loss of score when the column is shuffled")
    return figure


def _plain(name: Any) -> str:
    """Return a name in which matplotlib reads no formula."""
    return str(name).replace("$", r"\$")


def _square() -> tuple[Figure, Any]:
    figure = Figure(figsize=(6, 5), layout="constrained")
    return figure, figure.subplots()
