"""The JSON response of /predict, written without a dict for each row; `Model.answers` returns the same as dicts."""

from __future__ import annotations

from typing import Any

from pydantic_core import to_json

from mlops_kit.artifact.encoding import Array
from mlops_kit.artifact.predictor import Model


class ResponseWriter:
    """Writes predictions as JSON, by a template for each predicted class that a row's probabilities are put into."""

    def __init__(self, model: Model) -> None:
        """Take the model, for its version and classes."""
        self._begin = b'{"model_version":' + to_json(model.card["version"]) + b',"predictions":['
        probabilities = b",".join([_text(key) + b":%b" for key in model.keys])
        self._rows = {
            label: b'{"prediction":' + _text(label) + b',"probabilities":{' + probabilities + b"}}"
            for label in model.classes
        }

    def write(self, outputs: Array, labels: list[Any]) -> bytes:
        """Return the response for the model's `outputs`, finite numbers of shape (rows, classes) or (rows, 1).

        `labels` are those of `Model.labels`.
        """
        numbers = to_json(outputs.ravel().tolist())[1:-1].split(b",")
        if self._rows:
            rows = [self._rows[label] for label in labels]
        else:
            rows = [b'{"prediction":%b}'] * len(outputs)
        return self._begin + b",".join(rows) % tuple(numbers) + b"]}"


def _text(value: Any) -> bytes:
    """Return a value's JSON, escaped for the % operator."""
    return bytes(to_json(value)).replace(b"%", b"%%")
