"""The pipeline that is fitted: preparation by column kind, then an estimator. Add your own to ESTIMATORS."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from .config import ModelConfig, TrainConfig
from .data import Columns
from .errors import UserError, did_you_mean

# model.kind -> the estimator of each task. Any scikit-learn estimator that gives probabilities (of classes) will
# do; what it stores must be among TRUSTED_TYPES, or be NumPy arrays and plain values.
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

# Estimators that take missing values and numbered categories as they are.
TAKES_RAW_COLUMNS = (HistGradientBoostingClassifier, HistGradientBoostingRegressor)


_MICROSECONDS_A_DAY = 24 * 3600 * 1_000_000


class DateParts(TransformerMixin, BaseEstimator):  # type: ignore[misc] # scikit-learn has no types
    """Turn each date column into days since 1970, month, weekday and hour, as float64."""

    def fit(self, rows: Any, _target: Any = None) -> DateParts:
        """Learn nothing but the number of columns."""
        self.n_features_in_ = rows.shape[1]
        return self

    def transform(self, rows: Any) -> Any:
        """Return an array of shape (rows, 4 for each column); a missing date gives NaN."""
        parts = []
        for name in rows:
            dates = rows[name].astype("datetime64[us]")
            days = dates.astype("int64").where(dates.notna()) / _MICROSECONDS_A_DAY
            parts += [days, dates.dt.month, dates.dt.day_of_week, dates.dt.hour]
        return np.column_stack([part.to_numpy(dtype="float64") for part in parts])


# What skops may construct when it loads a model, besides the types it knows itself. Each was read: none
# runs code when it is built from stored values.
TRUSTED_TYPES = [
    "numpy.dtype",
    f"{DateParts.__module__}.{DateParts.__qualname__}",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.tree._tree.Tree",
    "sklearn.compose._column_transformer._RemainderColsList",  # a list, in scikit-learn 1.6
    # Voting, stacking and calibration: a dictionary, and two holders of fitted numbers.
    "sklearn.utils._bunch.Bunch",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    # Gradient boosting with categories keeps partial(check_array, ...). skops builds no subclass of partial,
    # and the function inside must be trusted, too.
    "functools.partial",
    "sklearn.utils.validation.check_array",
]


def build(config: TrainConfig, columns: Columns) -> Pipeline:
    """Return the unfitted pipeline from rows in `columns`' types to predictions.

    Raises:
        UserError: model.kind or a parameter's name is unknown.
    """
    estimator = _estimator(config.model, config.task, config.seed)
    if isinstance(estimator, TAKES_RAW_COLUMNS):
        # A number of bins that the estimator does not take is for its own fit to refuse.
        bins = estimator.max_bins if isinstance(estimator.max_bins, int) else 255
        preparation = _as_numbers(columns, most_values=max(1, min(bins, 255) - 1))
        categories = list(range(len(columns.named("categorical"))))
        estimator.set_params(categorical_features=categories or None)
    else:
        preparation = _filled_and_scaled(columns)
    return Pipeline([("prepare", preparation), ("estimator", estimator)])


def _estimator(config: ModelConfig, task: str, seed: int) -> Any:
    if config.kind not in ESTIMATORS:
        raise UserError(
            f"model.kind is {config.kind!r}; accepted: {', '.join(ESTIMATORS)}"
            f"{did_you_mean(config.kind, ESTIMATORS)}"
        )
    estimator = ESTIMATORS[config.kind][task]()
    known = estimator.get_params()
    for name in config.params:
        if name not in known:
            raise UserError(
                f"model.params.{name} is no parameter of {type(estimator).__name__}"
                f"{did_you_mean(name, known)}; accepted: {', '.join(known)}"
                " (are these the parameters of another kind? model.params={} drops them)"
            )
    seeded = {"random_state": seed} if "random_state" in known else {}
    return estimator.set_params(**{**seeded, **config.params})


def _as_numbers(columns: Columns, most_values: int) -> ColumnTransformer:
    """Number the categories, rarest together past `most_values`; unseen and missing are NaN."""
    numbered = OrdinalEncoder(
        handle_unknown="use_encoded_value",
        unknown_value=np.nan,
        encoded_missing_value=np.nan,
        max_categories=most_values,
    )
    return ColumnTransformer(
        [
            ("categorical", numbered, columns.named("categorical")),
            ("numeric", "passthrough", columns.named("numeric") + columns.named("boolean")),
            ("date", DateParts(), columns.named("date")),
        ]
    )


def _filled_and_scaled(columns: Columns) -> ColumnTransformer:
    """Fill the missing, tell that they were, scale; one column for each category that is not rare."""
    fill = SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True)
    encode = OneHotEncoder(handle_unknown="infrequent_if_exist", max_categories=100)
    return ColumnTransformer(
        [
            ("categorical", encode, columns.named("categorical")),
            (
                "numeric",
                make_pipeline(fill, StandardScaler()),
                columns.named("numeric") + columns.named("boolean"),
            ),
            ("date", make_pipeline(DateParts(), fill, StandardScaler()), columns.named("date")),
        ],
        sparse_threshold=0,
    )
