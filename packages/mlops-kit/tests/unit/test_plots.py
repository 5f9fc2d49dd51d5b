"""The plots of a run: whole PNGs, for every task and any names; as SVG in the page's own colours."""

import re
import xml.etree.ElementTree as ET
from pathlib import Path

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
CSS = Path(plots.__file__).with_name("templates") / "report.css"


def fitted(target, task="classification", names=("a", "b", "c")):
    rows = pd.DataFrame(np.random.default_rng(0).normal(size=(90, 3)), columns=list(names))
    estimator = LogisticRegression() if task == "classification" else LinearRegression()
    model = estimator.fit(rows, target)
    return model, rows, target, predict(model, rows, target, task)


def saved(folder, *args, **kwargs):
    paths = plots.save(folder, *fitted(*args, **kwargs))
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
    assert saved(tmp_path, np.resize(np.array(labels), 90)) == OF_CLASSES


def test_a_regression_gets_residuals_predictions_and_importance(tmp_path):
    target = np.random.default_rng(1).normal(size=90)
    assert saved(tmp_path, target, "regression") == OF_NUMBERS


@pytest.mark.filterwarnings("ignore:Glyph")
def test_names_that_look_like_formulas_are_drawn_as_they_are(tmp_path):
    labels = np.resize(np.array(["$_$", r"$\frac$", "名前 🙂"], dtype=object), 90)
    names = ["cost_$_per_$", "$", r"\$_{$"]
    assert saved(tmp_path, labels, names=names) == OF_CLASSES


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_svgs_use_only_colours_of_the_page(task):
    target = np.random.default_rng(1).normal(size=90)
    target = target > 0 if task == "classification" else target
    *_, predictions = fitted(target, task)
    css = CSS.read_text()
    for name, svg in plots.svgs(predictions).items():
        ET.fromstring(svg)
        assert not re.findall("#[0-9a-f]{6}", svg), name
        assert set(re.findall(r"var\((--\w+)\)", svg)) <= set(re.findall(r"(--\w+):", css)), name
    for colour, variable in plots._VARIABLES.items():
        assert colour == "#000000" or f"{variable[4:-1]}: {colour};" in css


def test_markup_in_a_class_name_stays_text_in_an_svg():
    labels = np.resize(np.array(["no", "</svg><script>alert(1)</script>"], dtype=object), 90)
    *_, predictions = fitted(labels)
    for svg in plots.svgs(predictions).values():
        assert "<script" not in svg
        ET.fromstring(svg)
