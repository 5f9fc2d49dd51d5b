"""The exported model, loaded for prediction."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Optional

import numpy as np

from mlops_kit.core import project, skops_file
from mlops_kit.core.errors import UserError, one_line

from . import folder as model_folder
from . import request_schema
from .encoding import Array, Encoder, Values

# Maps encoded rows (rows, width) to probabilities (rows, classes), or numbers (rows, 1); all float64.
PredictFn = Callable[[Array], Array]

# Such a prediction is refused, in the service and in a file: the largest of a row's probabilities is no class then.
NOT_FINITE = "the model's answer is not finite: a number of this row is too large for it"


_LEAST_DIFFERENCE = 0.1  # of two numbers that are not the same prediction, in standard deviations


class Model:
    """A model with its manifest, model.json; `keys` are the classes as keys of JSON objects."""

    def __init__(self, card: dict[str, Any], form: PredictFn) -> None:
        """Take the manifest and the function that predicts."""
        self.card = card
        self.encoder = Encoder(card["columns"], card["derived"])
        self.form = form
        self.classes: list[Any] = card["classes"]
        self.keys = [
            label if isinstance(label, str) else json.dumps(label) for label in self.classes
        ]

    def labels(self, outputs: Array) -> list[Any]:
        """Return the most probable class of each row of `outputs` (rows, classes); an empty list in regression."""
        if not self.classes:
            return []
        return [self.classes[best] for best in outputs.argmax(axis=1).tolist()]

    def answers(self, outputs: Array, labels: Optional[list[Any]] = None) -> list[dict[str, Any]]:
        """Return the prediction for each row of the model's `outputs`, as /predict returns it.

        The prediction is the number, or the most probable class, as in validation; `labels` are these where they are known.
        """
        if not self.classes:
            return [{"prediction": number} for number in outputs[:, 0].tolist()]
        return [
            {"prediction": label, "probabilities": dict(zip(self.keys, each))}
            for label, each in zip(labels or self.labels(outputs), outputs.tolist())
        ]

    def predict(self, values: Values) -> list[dict[str, Any]]:
        """Return the prediction for each row of validated values."""
        return self.answers(self.form(self.encoder.matrix(values)))

    def check(self) -> None:
        """Predict the golden rows and compare with their exported predictions.

        Raises:
            UserError: They cannot be predicted, or a prediction differs by more than the tolerance of the export.
        """
        golden = self.card["golden"]
        given = [case["row"] for case in golden]
        try:
            checker = request_schema.Checker(self.card["columns"], given[0], len(given))
            answers = self.predict(checker.values(json.dumps({"rows": given})))
        except Exception as error:  # the rows of another release, or any fault of the model
            reason = one_line(error)[:200]
            raise UserError(f"{self.name} cannot predict its golden rows: {reason}") from error
        for number, (answer, case) in enumerate(zip(answers, golden), start=1):
            off = difference(answer, case["answer"]) / self.card["parity"]["scale"]
            if not off <= self.card["parity"]["tolerance"]:
                raise UserError(
                    f"golden row {number} of {self.name} is predicted as {answer}, not {case['answer']}"
                )

    @property
    def name(self) -> str:
        """The model's name and version, for messages."""
        return f"{self.card['registered_model']} version {self.card['version']}"


def agree(champions: Any, challengers: Any, scale: Optional[float]) -> Any:
    """Return whether two predictions, or the rows of two arrays of them, are the same.

    Classes are where they are equal. Numbers are where they differ by at most a tenth of `scale`, the standard deviation of the
    champion's predictions on its test set, `parity.scale` of model.json; for classes it is None.
    """
    if scale is None:
        return champions == challengers
    return abs(champions - challengers) <= _LEAST_DIFFERENCE * scale


def difference(answer: dict[str, Any], expected: dict[str, Any]) -> float:
    """Return the largest absolute difference of two predictions' probabilities, or that of their numbers."""
    if "probabilities" not in expected:
        return abs(float(answer["prediction"]) - float(expected["prediction"]))
    wanted = expected["probabilities"]
    return float(max(abs(answer["probabilities"][label] - wanted[label]) for label in wanted))


def load(folder: Path) -> Model:
    """Load the model in `folder`, after verifying its checksums.

    Raises:
        UserError: A file is missing, was changed, or cannot be loaded here; or features.py is another one than at export.
    """
    card = model_folder.read_manifest(folder)
    if card["derived"] and card["features_digest"] != project.current().features_digest:
        raise UserError(f"{folder} was exported with another features.py: make pipeline export")
    file = folder / model_folder.FILES[card["format"]]
    try:
        return Model(card, load_form(file))
    except Exception as error:  # a file of another release can fail in any way
        raise UserError(f"{file} cannot be loaded here: {one_line(error)}") from error


def load_form(file: Path) -> PredictFn:
    """Load the pipeline's steps after `encode`, from ONNX or from skops."""
    return _onnx(file) if file.suffix == ".onnx" else _skops(file)


def _onnx(file: Path) -> PredictFn:
    # Without it, onnxruntime writes to the home folder and sends telemetry. It reads the variable at its first import.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime

    options = onnxruntime.SessionOptions()
    # One thread: a service scales by processes, and rows are few.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        file.read_bytes(), options, providers=["CPUExecutionProvider"]
    )
    rows_in, out = session.get_inputs()[0].name, session.get_outputs()[0].name

    def run(matrix: Array) -> Array:
        return np.asarray(session.run([out], {rows_in: matrix})[0], dtype=np.float64)

    return run


def _skops(file: Path) -> PredictFn:
    pipeline = skops_file.load(file)
    return lambda matrix: outputs(pipeline, matrix)


def outputs(pipeline: Any, given: Any) -> Array:
    """Return the output of a scikit-learn pipeline as float64: probabilities (rows, classes), or numbers (rows, 1)."""
    if hasattr(pipeline, "predict_proba"):
        return np.asarray(pipeline.predict_proba(given), dtype=np.float64)
    return np.asarray(pipeline.predict(given), dtype=np.float64).reshape(-1, 1)
