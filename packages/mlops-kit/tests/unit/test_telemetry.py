"""The telemetry of MLflow and onnxruntime is off."""

import os
import re
from pathlib import Path

import pytest

from mlops_kit.artifact import predictor
from mlops_kit.experiments import store

ROOT = Path(__file__).parents[4]


@pytest.mark.parametrize(
    ("call", "variable", "value"),
    [
        (store._settle_environment, "MLFLOW_DISABLE_TELEMETRY", "true"),
        (lambda: predictor.load_form(Path("none.onnx")), "ORT_DISABLE_TELEMETRY", "1"),
    ],
)
def test_telemetry_is_turned_off(monkeypatch, call, variable, value):
    monkeypatch.setattr(os, "environ", {k: v for k, v in os.environ.items() if k != variable})
    try:
        call()
    except FileNotFoundError:
        assert variable == "ORT_DISABLE_TELEMETRY"  # it is off before the file is looked up
    assert os.environ[variable] == value


def test_nothing_else_imports_onnxruntime():
    """It looks at the variable when it is imported for the first time."""
    files = [*ROOT.glob("src/**/*.py"), *ROOT.glob("packages/mlops-kit/src/**/*.py")]
    importing = [f.name for f in files if re.search(r"(import|from) onnxruntime", f.read_text())]
    assert importing == ["predictor.py"]


def test_images_turn_it_off():
    stages = (ROOT / "docker/Dockerfile").read_text().split("\nFROM ")
    ended = {stage.partition("\n")[0].rpartition(" AS ")[2]: stage for stage in stages}
    assert "MLFLOW_DISABLE_TELEMETRY=true" in ended["mlflow"]
    assert "ORT_DISABLE_TELEMETRY=1" in ended["serve"]
