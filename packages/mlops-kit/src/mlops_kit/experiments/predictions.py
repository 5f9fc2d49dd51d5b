"""What a model predicted for rows whose target is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Predictions:
    """What a model said of rows whose target is known.

    In classification `truth` and `predicted` (rows,) are positions in the sorted classes and
    `probabilities` is (rows, classes), in the order of `classes`; in regression they are numbers and there are no probabilities.
    """

    truth: npt.NDArray[Any]
    predicted: npt.NDArray[Any]
    probabilities: Array | None = None
    classes: tuple[Any, ...] = ()

    def __len__(self) -> int:
        return len(self.truth)

    def part(self, mask: npt.NDArray[np.bool_]) -> Predictions:
        """Return the predictions of the rows that `mask`, shape (rows,), selects."""
        probabilities = None if self.probabilities is None else self.probabilities[mask]
        return Predictions(self.truth[mask], self.predicted[mask], probabilities, self.classes)


def predict(model: Any, rows: Any, target: npt.NDArray[Any], task: str) -> Predictions:
    """Let a fitted pipeline predict `rows` and keep the answers beside `target`, shape (rows,)."""
    if task == "regression":
        return Predictions(target, np.asarray(model.predict(rows), dtype=np.float64))
    probabilities = np.asarray(model.predict_proba(rows), dtype=np.float64)
    position = {label: index for index, label in enumerate(model.classes_)}
    truth = np.array([position[label] for label in target])
    classes = tuple(model.classes_.tolist())
    return Predictions(truth, probabilities.argmax(axis=1), probabilities, classes)
