"""Plots of a model on the test set, by scikit-learn's own displays: PNGs for the run, SVGs for the report."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import matplotlib as mpl
from cycler import cycler
from matplotlib.colors import LinearSegmentedColormap
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
_MOST_CURVES = 6

_CURVES = {
    "roc": RocCurveDisplay,
    "precision_recall": PrecisionRecallDisplay,
    "calibration": CalibrationDisplay,
}
_WEIGHED = ("roc", "precision_recall")

# The light colours of report.css: in an SVG the page's variables take their place, so that it turns dark with the page.
_CURVE_COLOURS = ["#1a5fd0", "#b3541e", "#17663a", "#8a3ab0", "#7a6400", "#556070"]
_TEXT, _LINE = "#1b2430", "#dde3ea"
_VARIABLES = {
    **{colour: f"var(--c{k})" for k, colour in enumerate(_CURVE_COLOURS)},
    _TEXT: "var(--text)",
    _LINE: "var(--line)",
    "#000000": "var(--text)",  # the displays draw some parts in black
}
STYLE = {
    "axes.edgecolor": _LINE,
    "axes.labelcolor": _TEXT,
    "axes.prop_cycle": cycler(color=_CURVE_COLOURS),
    "axes.spines.right": False,
    "axes.spines.top": False,
    "font.size": 9,
    "legend.frameon": False,
    "svg.fonttype": "none",  # text stays text: it can be searched, and takes the page's font
    "text.color": _TEXT,
    "xtick.color": _TEXT,
    "ytick.color": _TEXT,
}
_SHADES = LinearSegmentedColormap.from_list("shades", ["#ffffff", "#8fb6f0"])

mpl.use("Agg")


def save(folder: Path, model: Any, rows: Any, target: Any, predictions: Predictions) -> list[Path]:
    """Write the plots that fit the task as PNGs into `folder`, and return them.

    Classification: ROC, precision-recall, calibration, confusion. Regression: residuals, predicted
    against actual. Both: permutation importance (Breiman, 2001) on at most 1,000 rows.
    """
    paths = []
    with mpl.rc_context(STYLE):
        figures = curves(predictions)
        if predictions.probabilities is not None:
            figures["confusion"] = _confusion(predictions)
        figures["importance"] = _importance(model, rows, target, predictions.weights)
        for name, figure in figures.items():
            paths.append(folder / f"{name}.png")
            figure.savefig(paths[-1], dpi=150)
    return paths


def svgs(predictions: Predictions) -> dict[str, str]:
    """Return the curves by name as SVG elements that take their colours and font from the page."""
    with mpl.rc_context(STYLE):
        return {name: _svg(name, figure) for name, figure in curves(predictions).items()}


def curves(predictions: Predictions) -> dict[str, Figure]:
    """Return the figures of the task that have an x and a y axis, by name."""
    if predictions.probabilities is None:
        return {
            "residuals": _errors(predictions, "residual_vs_predicted"),
            "predicted": _errors(predictions, "actual_vs_predicted"),
        }
    return {name: _one_against_rest(name, predictions) for name in _CURVES}


def _one_against_rest(name: str, predictions: Predictions) -> Figure:
    """Return a figure: one curve for the second of two classes; of more classes, one each against the rest."""
    weights = {"sample_weight": predictions.weights} if name in _WEIGHED else {}
    figure, axes = _axes()
    labels, probabilities = _labels(predictions), predictions.probabilities
    assert probabilities is not None  # nosec B101 # for the type checker: curves() has checked
    for k in [1] if len(labels) == 2 else range(min(len(labels), _MOST_CURVES)):
        _CURVES[name].from_predictions(
            predictions.truth == k, probabilities[:, k], name=labels[k], ax=axes, **weights
        )
    # Their labels end in "(Positive label: True)", which is about the comparison above.
    axes.set_xlabel(axes.get_xlabel().split(" (Positive")[0])
    axes.set_ylabel(axes.get_ylabel().split(" (Positive")[0])
    # Below the axes, the legend covers no data.
    handles, names = axes.get_legend_handles_labels()
    axes.get_legend().remove()
    figure.legend(handles, names, loc="outside lower center", ncols=2)
    return figure


def _confusion(predictions: Predictions) -> Figure:
    figure, axes = _axes()
    labels = _labels(predictions)
    ConfusionMatrixDisplay.from_predictions(
        predictions.truth,
        predictions.predicted,
        labels=range(len(labels)),
        display_labels=labels,
        ax=axes,
        cmap=_SHADES,
        colorbar=False,
        xticks_rotation="vertical" if len(labels) > 4 else "horizontal",
        text_kw={"color": _TEXT},
    )
    return figure


def _errors(predictions: Predictions, kind: str) -> Figure:
    figure, axes = _axes()
    PredictionErrorDisplay.from_predictions(
        predictions.truth,
        predictions.predicted,
        kind=kind,
        ax=axes,
        scatter_kwargs={"color": _CURVE_COLOURS[0], "s": 12},
        line_kwargs={"color": _TEXT},
    )
    return figure


def _importance(model: Any, rows: Any, target: Any, weights: Any) -> Figure:
    found = importances(model, rows, target, weights)[:_MOST_FEATURES][::-1]
    figure = Figure(figsize=(7, 1 + 0.3 * len(found)), layout="constrained")
    axes = figure.subplots()
    names = [_plain(each.column) for each in found]
    axes.barh(names, [each.mean for each in found], xerr=[each.spread for each in found])
    axes.set_xlabel("loss of score when the column is shuffled")
    return figure


def _labels(predictions: Predictions) -> list[str]:
    return [_plain(label) for label in predictions.classes]


def _plain(name: Any) -> str:
    """Return a name escaped for matplotlib, which reads formulas between $."""
    return str(name).replace("$", r"\$")


def _axes() -> tuple[Figure, Any]:
    figure = Figure(figsize=(4.5, 3.6), layout="constrained")
    return figure, figure.subplots()


def _svg(name: str, figure: Figure) -> str:
    written = io.StringIO()
    # The salt keeps the ids of several figures on one page apart, and equal from run to run.
    with mpl.rc_context({"svg.hashsalt": name}):
        figure.savefig(written, format="svg", transparent=True, metadata={"Date": None})
    svg = written.getvalue()
    svg = svg[svg.index("<svg") :]
    for colour, variable in _VARIABLES.items():
        svg = svg.replace(colour, variable)
    return svg
