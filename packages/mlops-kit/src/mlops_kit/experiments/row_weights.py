"""The weight of each row in a fit: by data.weight, and by the estimator's own class_weight."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.utils.validation import has_fit_parameter

from mlops_kit.core.errors import UserError
from mlops_kit.core.values import category
from mlops_kit.data.columns import plain

from .settings import TrainConfig

_PARAMETER = "model.params.class_weight"


def check(estimator: Any, config: TrainConfig) -> None:
    """Check that the estimator takes weights if the config names data.weight.

    Raises:
        UserError: Its `fit` has no `sample_weight`.
    """
    if config.data.weight is not None and not has_fit_parameter(estimator, "sample_weight"):
        raise UserError(
            f"model.kind {config.model.kind} takes no weights (its fit has no sample_weight), which data.weight"
            f" {config.data.weight!r} asks for: choose another kind, or leave data.weight out"
        )


@contextmanager
def together(
    estimator: Any, target: Any, weights: npt.NDArray[np.float64] | None
) -> Iterator[npt.NDArray[np.float64] | None]:
    """Yield the weights of the training set, shape (rows,), or None if all rows count the same.

    In the block, a mapping in class_weight is part of them instead: gradient boosting of scikit-learn 1.9 takes the
    positions of classes for their names, and so applies the weight of another class.

    Raises:
        UserError: class_weight names an unknown class, or a weight is not a number of 0 or more.
    """
    of_class = getattr(estimator, "class_weight", None)
    if not (isinstance(of_class, dict) and has_fit_parameter(estimator, "sample_weight")):
        yield weights
        return
    of_rows = _of_rows(of_class, target)
    estimator.set_params(class_weight=None)
    try:
        yield of_rows if weights is None else of_rows * weights
    finally:
        estimator.set_params(class_weight=of_class)


def _of_rows(of_class: dict[Any, Any], target: Any) -> npt.NDArray[np.float64]:
    # Compare strings, because the keys of YAML become strings in a run's config.
    names = {category(plain(label)): label for label in np.unique(target)}
    found = np.ones(len(target))
    for key, weight in of_class.items():
        if category(key) not in names:
            quotes = (
                " (quote yes and no, which are true and false in YAML)"
                if isinstance(key, bool)
                else ""
            )
            raise UserError(
                f"{_PARAMETER} names {key!r}, which is no class of the target; accepted: {', '.join(names)}{quotes}"
            )
        if (
            isinstance(weight, bool)
            or not isinstance(weight, (int, float))
            or not 0 <= weight < np.inf
        ):
            raise UserError(
                f"{_PARAMETER} has {weight!r} for {key!r}; accepted: numbers, 0 or more"
            )
        found[target == names[category(key)]] = weight
    return found
