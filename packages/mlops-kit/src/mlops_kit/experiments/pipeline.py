"""The pipeline that is fitted: columns to numbers, preparation, and an estimator of the project's model.py."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from mlops_kit.core import features, project
from mlops_kit.core.errors import UserError, did_you_mean
from mlops_kit.data import Columns

from .settings import ModelConfig, TrainConfig

_MICROSECONDS_A_DAY = 24 * 3600 * 1_000_000
DATE_PARTS = ("days since 1970", "month", "weekday", "hour")


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


class Derived(TransformerMixin, BaseEstimator):  # type: ignore[misc] # scikit-learn has no types
    """Add the columns that features.py derives; `digest` is that of the file that the model was trained with."""

    def __init__(self, names: list[str], digest: str) -> None:
        """Take the columns' names, in features.py's order, and the SHA-256 of that file."""
        self.names = names
        self.digest = digest

    def fit(self, rows: Any, _target: Any = None) -> Derived:
        """Learn nothing but the number of columns.

        Raises:
            UserError: A derived column has no value at all.
        """
        self.n_features_in_ = rows.shape[1]
        empty = np.isnan(self.transform(rows)).all(axis=0)
        if empty.any():
            raise UserError(
                f"features.py: {self.names[int(empty.argmax())]!r} is missing in all rows"
            )
        return self

    def transform(self, rows: Any) -> Any:
        """Return an array of shape (rows, derived columns)."""
        return features.matrix(arrays(rows), self.names)


def arrays(rows: Any) -> features.Arrays:
    """Return the columns of a data frame as features.py takes them."""
    found = {}
    for name in rows:
        values = rows[name]
        if values.dtype == object:
            found[name] = values.where(values.notna(), None).to_numpy(dtype=object)
        else:
            found[name] = values.to_numpy()
    return found


def build(config: TrainConfig, columns: Columns) -> Pipeline:
    """Return the unfitted pipeline from rows in `columns`' types to predictions.

    Its first step, `encode`, turns each column by itself into numbers; the service does the same from a
    table (artifact/encoding.py). What follows sees only an array, so that it can become ONNX.

    Raises:
        UserError: model.kind or a parameter's name is unknown, or the kind does not do the task.
    """
    estimator: Any = _estimator(config.model, config.task, config.seed)
    takes_raw = isinstance(estimator, project.current().takes_raw_columns)
    derived = features.names(columns.kinds)
    if takes_raw:
        # A number of bins that the estimator does not take is for its own fit to refuse.
        bins = estimator.max_bins if isinstance(estimator.max_bins, int) else 255
        most = max(1, min(bins, 255) - 1)
        encode = _as_numbers(columns, derived, most, unseen=np.nan, missing=np.nan)
        categories = list(range(len(columns.named("categorical"))))
        estimator.set_params(categorical_features=categories or None)
        return Pipeline([("encode", encode), ("estimator", estimator)])
    encode = _as_numbers(columns, derived, 100, unseen=-1, missing=-2)
    prepare = _filled_and_scaled(columns, len(derived))
    return Pipeline([("encode", encode), ("prepare", prepare), ("estimator", estimator)])


def derived_by(pipeline: Pipeline) -> Derived | None:
    """Return the step that adds the derived columns, or None if there are none."""
    steps = getattr(pipeline.named_steps.get("encode"), "named_transformers_", {})
    found = steps.get("derived")
    return found if isinstance(found, Derived) else None


def fit(pipeline: Pipeline, columns: Columns, rows: Any, target: Any) -> Pipeline:
    """Fit the pipeline that `build` returned on rows in `columns`' types."""
    estimator = pipeline[-1]
    takes_raw = isinstance(estimator, project.current().takes_raw_columns)
    if takes_raw:
        rows = _without_empty(columns, rows, getattr(estimator, "min_samples_leaf", 1))
    return pipeline.fit(rows, target)


def _without_empty(columns: Columns, rows: Any, least: Any) -> Any:
    """Return the rows with columns that hold hardly any value made constant."""
    # scikit-learn's binning wants one value of each number in the rows that it looks at, and fails without. A part or
    # a fold may have none, and with few, early stopping or binning may draw a sample that has none. A leaf holds at
    # least `least` rows, so with fewer values no tree can split on the column: nothing is lost with them. The whole
    # column is filled, not one row, because that row may not be drawn.
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


def _as_numbers(
    columns: Columns, derived: list[str], most_values: int, unseen: float, missing: float
) -> ColumnTransformer:
    """Number the categories, the rarest together past `most_values`; dates become their parts; `derived` come last."""
    numbered = OrdinalEncoder(
        handle_unknown="use_encoded_value",
        unknown_value=unseen,
        encoded_missing_value=missing,
        max_categories=most_values,
    )
    parts: list[tuple[str, Any, list[str]]] = [
        ("categorical", numbered, columns.named("categorical")),
        ("numeric", "passthrough", columns.named("numeric") + columns.named("boolean")),
        ("date", DateParts(), columns.named("date")),
    ]
    if derived:
        step = Derived(derived, project.current().features_digest)
        parts.append(("derived", step, list(columns.kinds)))
    return ColumnTransformer(parts)


def _filled_and_scaled(columns: Columns, derived: int) -> ColumnTransformer:
    """One column for each category; of the rest, fill the missing, tell that they were, and scale."""
    categories = len(columns.named("categorical"))
    width = len(columns.kinds) + (len(DATE_PARTS) - 1) * len(columns.named("date")) + derived
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
