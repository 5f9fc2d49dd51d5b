"""The pictures of a run: whole PNGs, for every task and any names."""

import matplotlib.image
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression

from mlops_kit.experiments.predictions import predict
from mlops_kit.experiments.report import plots

COMMON = {"importance"}
OF_CLASSES = {"roc", "precision_recall", "calibration", "confusion"} | COMMON
OF_NUMBERS = {"residuals", "predicted"} | COMMON


def drawn(folder, target, task="classification", names=("a", "b", "c")):
    rows = pd.DataFrame(np.random.default_rng(0).normal(size=(90, 3)), columns=list(names))
    estimator = LogisticRegression() if task == "classification" else LinearRegression()
    model = estimator.fit(rows, target)
    paths = plots.draw(folder, model, rows, target, predict(model, rows, target, task))
    assert sorted(paths) == sorted(folder.iterdir())
    for path in paths:
        pixels = matplotlib.image.imread(path)
        assert min(pixels.shape[:2]) > 100
        assert pixels.std() > 0
    return {path.stem for path in paths}


@pytest.mark.parametrize(
    "labels", [[0, 1], [False, True], ["no", "yes"], ["a", "b", "c"], [10, 20, 30], list("abcdef")]
)
def test_classes_get_curves_confusion_and_importance(tmp_path, labels):
    assert drawn(tmp_path, np.resize(np.array(labels), 90)) == OF_CLASSES


def test_a_regression_gets_residuals_predictions_and_importance(tmp_path):
    target = np.random.default_rng(1).normal(size=90)
    assert drawn(tmp_path, target, "regression") == OF_NUMBERS


@pytest.mark.filterwarnings("ignore:Glyph")
def test_names_that_look_like_formulas_are_drawn_as_they_are(tmp_path):
    labels = np.resize(np.array(["$_$", r"$\frac$", "名前 🙂"], dtype=object), 90)
    names = ["cost_$_per_$", "$", r"\$_{$"]
    assert drawn(tmp_path, labels, names=names) == OF_CLASSES
