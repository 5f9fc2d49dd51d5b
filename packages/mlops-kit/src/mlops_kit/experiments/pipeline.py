"""Build and fit the pipeline: encoding, preparation, and an estimator of the project's model.py."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from mlops_kit.core import project
from mlops_kit.core.errors import UserError, did_you_mean
from mlops_kit.data import Columns

from . import encode, row_weights
from .settings import ModelConfig, TrainConfig


def build(config: TrainConfig, columns: Columns, rows: Any, target: Any) -> Pipeline:
    """Return the unfitted pipeline for rows in `columns`' types; `rows` and `target`, shape (rows,), are the training set.

    Its first step, `encode`, turns each column by itself into numbers; the service does the same from a
    table (artifact/encoding.py). The steps after it take an array, so that they can be converted to ONNX.

    Raises:
        UserError: model.kind or a parameter's name is unknown, the kind does not support the task, takes no weights or
            cannot take raw columns, or features.py fails.
    """
    estimator: Any = _estimator(config.model, config.task, config.seed)
    row_weights.check(estimator, config)
    takes_raw = isinstance(estimator, project.current().takes_raw_columns)
    if takes_raw:
        _check_raw(estimator)
        # The estimator's own fit raises an error for an invalid number of bins.
        bins = estimator.max_bins if isinstance(estimator.max_bins, int) else 255
        numbers = _numbers(max(1, min(bins, 255) - 1), unseen=np.nan, missing=np.nan)
    else:
        numbers = _numbers(100, unseen=-1, missing=-2)
    encoding = encode.build(columns, rows, target, config.task, config.seed, numbers)
    if takes_raw:
        estimator.set_params(categorical_features=list(range(encoding.categories)) or None)
        return Pipeline([("encode", encoding.step), ("estimator", estimator)])
    prepare = _filled_and_scaled(encoding.categories, encoding.width)
    return Pipeline([("encode", encoding.step), ("prepare", prepare), ("estimator", estimator)])


def derived_by(pipeline: Pipeline) -> encode.Derived | None:
    """Return the step that adds the derived columns, or None if there are none."""
    steps = getattr(pipeline.named_steps.get("encode"), "named_transformers_", {})
    found = steps.get("derived")
    return found if isinstance(found, encode.Derived) else None


def fit(
    pipeline: Pipeline, columns: Columns, rows: Any, target: Any, weights: Any = None
) -> Pipeline:
    """Fit the pipeline that `build` returned on rows in `columns`' types; `weights` (rows,) are those of data.weight.

    Raises:
        UserError: As `row_weights.together`, or features.py fails.
        ValueError: The estimator does not accept its parameters or the rows; others, as its own `fit`.
    """
    estimator = pipeline[-1]
    takes_raw = isinstance(estimator, project.current().takes_raw_columns)
    if takes_raw:
        rows = _without_empty(columns, rows, getattr(estimator, "min_samples_leaf", 1))
    with row_weights.together(estimator, target, weights) as each:
        last = pipeline.steps[-1][0]
        return pipeline.fit(
            rows, target, **({} if each is None else {f"{last}__sample_weight": each})
        )


def _without_empty(columns: Columns, rows: Any, least: Any) -> Any:
    """Return the rows with nearly empty columns made constant."""
    # scikit-learn's binning fails if a numeric column has no value in the rows that it samples. A share of the rows or a
    # fold may have none, and if there are few, the sample for early stopping or binning may have none. A leaf holds at
    # least `least` rows, so no tree can split on a column with fewer values: nothing is lost. The whole column is
    # filled, not one row, because that row may not be sampled.
    least = max(1, least) if isinstance(least, int) else 1
    filled = rows.copy(deep=False)
    for name, kind in columns.kinds.items():
        if kind != "categorical" and rows[name].count() < min(least, len(rows)):
            filled[name] = np.zeros(len(rows), dtype=rows[name].dtype)
    return filled


def _estimator(config: ModelConfig, task: str, seed: int) -> Any:
    known_kinds = project.current().estimators
    if config.kind not in known_kinds:
        raise UserError(
            f"model.kind is {config.kind!r}; accepted: {', '.join(known_kinds)}"
            f"{did_you_mean(config.kind, known_kinds)}"
        )
    if task not in known_kinds[config.kind]:
        fitting = [kind for kind, tasks in known_kinds.items() if task in tasks]
        raise UserError(
            f"model.kind {config.kind} has no estimator for {task}; accepted: {', '.join(fitting)}"
        )
    estimator: Any = known_kinds[config.kind][task]()
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


def _check_raw(estimator: Any) -> None:
    for name in ("categorical_features", "max_bins"):
        if name not in estimator.get_params():
            raise UserError(
                f"TAKES_RAW_COLUMNS in model.py names {type(estimator).__name__}, which has no parameter {name}; accepted:"
                " classes with scikit-learn's categorical_features and max_bins"
            )


def _numbers(most: int, unseen: float, missing: float) -> OrdinalEncoder:
    """Return the ordinal encoder of categories; of more than `most`, the rarest share a number."""
    return OrdinalEncoder(
        handle_unknown="use_encoded_value",
        unknown_value=unseen,
        encoded_missing_value=missing,
        max_categories=most,
    )


def _filled_and_scaled(categories: int, width: int) -> ColumnTransformer:
    """Return the step: one-hot categories; of the rest, impute missing values, add indicators of these, and scale."""
    fill = SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True)
    return ColumnTransformer(
        [
            ("categorical", OneHotEncoder(handle_unknown="ignore"), list(range(categories))),
            (
                "numeric",
                make_pipeline(fill, StandardScaler()),
                list(range(categories, width)),
            ),
        ],
        sparse_threshold=0,
    )
