"""Predictions of a model for rows whose target is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Predictions:
    """Predictions of a model, with the target.

    In classification `truth` and `predicted` (rows,) are positions in the sorted classes and
    `probabilities` is (rows, classes), in the order of `classes`; in regression they are numbers and there are no probabilities.
    `weights` (rows,) are those of data.weight, None if all rows count the same.
    """

    truth: npt.NDArray[Any]
    predicted: npt.NDArray[Any]
    probabilities: Array | None = None
    classes: tuple[Any, ...] = ()
    weights: Array | None = None

    def __len__(self) -> int:
        return len(self.truth)

    def probability_of(self, label: Any) -> Array:
        """Return the probability of a class for each row, shape (rows,).

        Raises:
            ValueError: There is no such class, or the task is regression.
        """
        if self.probabilities is None or label not in self.classes:
            raise ValueError(
                f"no class {label!r}, but {', '.join(map(repr, self.classes)) or 'none'}"
            )
        return self.probabilities[:, self.classes.index(label)]

    def part(self, mask: npt.NDArray[np.bool_]) -> Predictions:
        """Return the predictions of the rows that `mask`, shape (rows,), selects."""
        probabilities = None if self.probabilities is None else self.probabilities[mask]
        weights = None if self.weights is None else self.weights[mask]
        return Predictions(
            self.truth[mask], self.predicted[mask], probabilities, self.classes, weights
        )


def predict(
    model: Any, rows: Any, target: npt.NDArray[Any], task: str, weights: Array | None = None
) -> Predictions:
    """Return the predictions of a fitted pipeline for `rows`, with `target` and `weights`, both of shape (rows,).

    Raises:
        KeyError: The target has a class that the model does not know.
    """
    if task == "regression":
        predicted = np.asarray(model.predict(rows), dtype=np.float64)
        return Predictions(target, predicted, weights=weights)
    probabilities = np.asarray(model.predict_proba(rows), dtype=np.float64)
    position = {label: index for index, label in enumerate(model.classes_)}
    truth = np.array([position[label] for label in target])
    classes = tuple(model.classes_.tolist())
    return Predictions(truth, probabilities.argmax(axis=1), probabilities, classes, weights)
