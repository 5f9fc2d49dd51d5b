"""The estimators that `model.kind` in configs/train.yaml can name, and what they need. Add your own to ESTIMATORS."""

from __future__ import annotations

from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LogisticRegression, Ridge

# model.kind -> the estimator of each task, or of one. Any scikit-learn estimator that gives probabilities (of classes)
# will do; what it stores must be listed in TRUSTED_TYPES, or be NumPy arrays and plain values: docs/your-model.md.
ESTIMATORS: dict[str, dict[str, type]] = {
    "hist_gradient_boosting": {
        "classification": HistGradientBoostingClassifier,
        "regression": HistGradientBoostingRegressor,
    },
    "random_forest": {
        "classification": RandomForestClassifier,
        "regression": RandomForestRegressor,
    },
    "linear": {"classification": LogisticRegression, "regression": Ridge},
}

# Estimators that take missing values and ordinal-encoded categories; for all others, missing values are imputed,
# categories one-hot encoded and numbers scaled.
TAKES_RAW_COLUMNS: tuple[type, ...] = (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
)

# Types of your own that a stored model may hold. Before you add one, review what it does when it is loaded.
TRUSTED_TYPES: list[str] = []


def register_converters() -> None:
    """Register converters of your own estimators to ONNX: `skl2onnx.update_registered_converter`.

    What has no converter stays in scikit-learn's form, which is slower to serve.
    """
