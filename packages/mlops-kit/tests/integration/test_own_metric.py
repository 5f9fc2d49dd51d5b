"""A metric of the project's own, from its line in metrics.py to the champion."""

import json
from pathlib import Path

import numpy as np
import pytest

from mlops_kit.experiments.metrics import Metric

from ml_template import metrics


def wrong(predictions, weights):
    """The share of the rows that were predicted wrong."""
    return weights[predictions.predicted != predictions.truth].sum() / weights.sum()


def undefined(predictions, weights):
    """NaN, as a share of no rows is."""
    return np.nan


OWN = {"wrong": Metric(wrong, loss=True), "undefined": Metric(undefined)}


@pytest.fixture
def project(project, monkeypatch):
    monkeypatch.setitem(metrics.METRICS, "classification", OWN)
    return project


def test_own_metric_works_from_training_to_the_champion(command, project):
    own = "validation.metric=wrong validation.thresholds.wrong=0.2"
    slices = "validation.slices={column: 'mean radius', metric: wrong, worst: 0.5}"
    config = f'{own} "{slices}"'
    for _ in range(2):
        assert "wrong" in command("train", SET=config).out
        done = command("validate", SET=config)
        assert done.code == 0, done.out + done.err
        assert command("register", SET=config).code == 0
    report = json.loads(Path("reports/validation.json").read_text())
    checks = {check["name"]: check for check in report["checks"]}
    assert checks["wrong"]["threshold"] == "≤ 0.2"
    assert "not worse than version 1" in checks["wrong against champion"]["threshold"]
    assert report["champion"]["metrics"]["wrong"]["gain"]
    assert command("report").code == 0
    assert "wrong" in Path("reports/index.html").read_text()
    failed = command("validate", SET=config.replace("wrong=0.2", "wrong=0.0001"))
    assert failed.code == 1


def test_metric_without_a_value_meets_no_threshold(command, project):
    config = "validation.thresholds={undefined: -1}"
    assert command("train", SET=f'"{config}"').code == 0
    assert command("validate", SET=f'"{config}"').code == 1
    checks = json.loads(Path("reports/validation.json").read_text())["checks"]
    found = {check["name"]: (check["measured"], check["passed"]) for check in checks}
    assert found["undefined"] == ("NaN: not defined on the test set", False)
