"""The settings of a run, a search and a model card: configs/train.yaml, search.yaml and model-card.yaml."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Optional

from pydantic import Field, model_validator

from mlops_kit.core import project
from mlops_kit.core.config import NAME, Name, Section, load
from mlops_kit.core.errors import UserError
from mlops_kit.data.settings import TableSettings

TRAIN = Path("configs/train.yaml")
MODEL_CARD = Path("configs/model-card.yaml")
CARD_FILE = (
    "model-card.md"  # the model card, as an artifact of the run and next to the exported model
)
SEARCH = Path("configs/search.yaml")

CHAMPION = "champion"  # the alias of the registered version that is served
CHALLENGER = "challenger"  # the alias of one that may be served in shadow mode

# The kit's metrics; metric_names() adds the project's.
METRICS: dict[str, tuple[str, ...]] = {
    "classification": ("accuracy", "balanced_accuracy", "f1_macro", "roc_auc", "log_loss"),
    "regression": ("r2", "mae", "rmse"),
}

# The metric in which a run is compared with the champion, if the config names none.
DEFAULT_METRICS = {"classification": "roc_auc", "regression": "r2"}

_FROM_0_TO_1 = Field(None, ge=0, le=1, description="0 to 1")
_AT_LEAST_0 = Field(None, ge=0, description="a number, 0 or more")


class ModelConfig(Section):
    """Which estimator is fitted, with which parameters."""

    kind: str = Field("hist_gradient_boosting", description="a name listed in model.py")
    params: dict[str, Any] = Field({}, description="a mapping of the estimator's parameters")


class Thresholds(Section):
    """The worst acceptable value of each metric, on the test set."""

    accuracy: Optional[float] = _FROM_0_TO_1
    balanced_accuracy: Optional[float] = _FROM_0_TO_1
    f1_macro: Optional[float] = _FROM_0_TO_1
    roc_auc: Optional[float] = _FROM_0_TO_1
    log_loss: Optional[float] = _AT_LEAST_0
    r2: Optional[float] = Field(None, le=1, description="a number, 1 or less")
    mae: Optional[float] = _AT_LEAST_0
    rmse: Optional[float] = _AT_LEAST_0

    def given(self) -> dict[str, float]:
        """Return the thresholds that the config sets, by metric."""
        return {name: value for name, value in self if value is not None}


class SliceConfig(Section):
    """The groups of rows that must not fall behind."""

    column: str = Field(description="the name of a column")
    metric: str = Field(description="a metric of the task")
    worst: float = Field(description="a number")
    min_rows: int = Field(20, ge=1, description="a whole number, 1 or more")


class ValidationConfig(Section):
    """The thresholds that a run has to meet to be registered."""

    metric: str = Field("", description="a metric of the task; default: roc_auc or r2")
    thresholds: Thresholds = Field(Thresholds(), description="a mapping of metrics to numbers")
    own_thresholds: dict[str, float] = Field(
        {}, description="written under thresholds: those of metrics.py's own metrics"
    )
    confidence: float = Field(0.95, ge=0.5, le=0.999, description="0.5 to 0.999")
    slices: Optional[SliceConfig] = Field(None, description="a mapping, or nothing")
    prediction_ms: float = Field(100, gt=0, description="milliseconds, more than 0")

    @model_validator(mode="before")
    @classmethod
    def _take_own_thresholds(cls, given: Any) -> Any:
        """Move the thresholds of the project's own metrics to `own_thresholds`: `Thresholds` has no fields for them."""
        if not (isinstance(given, dict) and isinstance(given.get("thresholds"), dict)):
            return given
        names = {name for of_task in project.current().metrics.values() for name in of_task}
        thresholds, own = dict(given["thresholds"]), dict(given.get("own_thresholds") or {})
        for name in names & thresholds.keys():
            if (worst := thresholds.pop(name)) is not None:
                own[name] = worst
        return {**given, "thresholds": thresholds, "own_thresholds": own}

    def worst(self) -> dict[str, float]:
        """Return the worst acceptable value of each metric that has one."""
        return {**self.thresholds.given(), **self.own_thresholds}


class TrainConfig(TableSettings):
    """The whole of configs/train.yaml."""

    experiment: Name = Field(description=NAME)
    registered_model: Name = Field(description=NAME)
    model: ModelConfig = Field(ModelConfig(), description="a mapping; see configs/train.yaml")
    validation: ValidationConfig = Field(
        ValidationConfig(), description="a mapping; see configs/train.yaml"
    )

    @model_validator(mode="after")
    def _metrics_fit_the_task(self) -> TrainConfig:
        _check_metrics(self.validation, [*METRICS] if self.task == "auto" else [self.task])
        return self

    def for_task(self, task: str) -> TrainConfig:
        """Return the config for the task of the target: with its default metric if none is named, and only its thresholds.

        Raises:
            UserError: validation.metric or validation.slices.metric is not a metric of the task.
        """
        current, names = self.validation, metric_names(task)
        given, own = current.thresholds.given(), current.own_thresholds
        changed = {
            "metric": current.metric or DEFAULT_METRICS[task],
            "thresholds": Thresholds(**{m: worst for m, worst in given.items() if m in names}),
            "own_thresholds": {m: worst for m, worst in own.items() if m in names},
        }
        validation = current.model_copy(update=changed)
        try:
            _check_metrics(validation, [task])
        except ValueError as error:
            raise UserError(f"{error}; data.target {self.data.target!r} is one of {task}") from None
        return self.model_copy(update={"task": task, "validation": validation})

    def not_for(self, task: str) -> list[str]:
        """Return the metrics that have a threshold but are not metrics of the task: these thresholds are ignored."""
        return [name for name in self.validation.worst() if name not in metric_names(task)]


def _check_metrics(validation: ValidationConfig, tasks: list[str]) -> None:
    named = [("validation.metric is", validation.metric)] if validation.metric else []
    named += [("validation.thresholds names", m) for m in validation.worst()]
    if validation.slices:
        named.append(("validation.slices.metric is", validation.slices.metric))
    accepted = [name for task in tasks for name in metric_names(task)]
    for place, metric in named:
        if metric not in accepted:
            raise ValueError(
                f"{place} {metric!r}; accepted for {' or '.join(tasks)}: {', '.join(accepted)}"
            )


_TEXT = "a text, or nothing"


class ModelCardConfig(Section):
    """The whole of configs/model-card.yaml: the texts that people write about a model."""

    intended_use: Optional[str] = Field(None, description=_TEXT)
    not_for: Optional[str] = Field(None, description=_TEXT)
    data: Optional[str] = Field(None, description=_TEXT)
    limits: Optional[str] = Field(None, description=_TEXT)
    risks: Optional[str] = Field(None, description=_TEXT)
    owner: Optional[str] = Field(None, description=_TEXT)

    def empty(self) -> list[str]:
        """Return the keys without a text."""
        return [name for name, value in self if not (value or "").strip()]


class SearchConfig(Section):
    """The whole of configs/search.yaml: which parameters `make search` tries, and how hard."""

    candidates: int = Field(27, ge=1, le=10_000, description="a whole number, 1 to 10000")
    folds: int = Field(3, ge=2, le=20, description="a whole number, 2 to 20")
    factor: int = Field(3, ge=2, le=10, description="a whole number, 2 to 10")
    min_rows: int = Field(500, ge=10, description="a whole number, 10 or more")
    metric: Optional[str] = Field(None, description="a metric of the task, or nothing")
    seed: int = Field(0, ge=0, le=2**32 - 1, description="a whole number, 0 to 4294967295")
    workers: Optional[int] = Field(
        None, ge=1, le=1024, description="a whole number, 1 to 1024, or nothing"
    )
    params: dict[str, Any] = Field(description="a mapping of parameters to what may be drawn")

    @model_validator(mode="after")
    def _can_be_drawn(self) -> SearchConfig:
        for name, choice in self.params.items():
            if not (is_range(choice) or (isinstance(choice, list) and choice)):
                raise ValueError(
                    f"params.{name} is {choice!r}; accepted: a list of values, or a range {{low: 0.1, high:"
                    " 10, log: true}, log only above 0"
                )
            if not _is_json(choice):  # as which it is tracked and reported
                raise ValueError(
                    f"params.{name} is {choice!r}; accepted are texts (quote a date), finite numbers, true, false, null,"
                    " and lists and mappings of these"
                )
        return self


def _is_json(value: Any) -> bool:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        return False
    return True


def is_range(choice: Any) -> bool:
    """Return whether `choice` is a mapping of `low` and `high`, numbers, and `log`, true or false.

    >>> is_range({"low": 1, "high": 10}), is_range({"low": 0, "high": 10, "log": True})
    (True, False)
    """
    if not isinstance(choice, dict) or not {"low", "high"} <= set(choice) <= {"low", "high", "log"}:
        return False
    low, high, log = choice["low"], choice["high"], choice.get("log", False)
    numbers = all(type(bound) in (int, float) for bound in (low, high)) and type(log) is bool
    return numbers and low < high and (low > 0 or not log)


def metric_names(task: str) -> tuple[str, ...]:
    """Return the names of a task's metrics, the kit's and then the project's own."""
    return (*METRICS[task], *project.current().metrics[task])


def load_train(path: Path, overrides: str = "") -> TrainConfig:
    """Read `path` and apply `overrides`, `dotted.key=value` pairs with YAML values, separated by spaces.

    Raises:
        UserError: The file is missing or not a YAML mapping, or keys or values are not accepted; the
            message lists all of them.
    """
    if not path.is_file():
        raise UserError(f"configs file {path} not found (give CONFIG=…)")
    return load(TrainConfig, path, overrides, "SET")


def model_name(model: str, path: Path, overrides: str) -> tuple[str, str]:
    """Return name and alias of the variable MODEL; if it is empty, the champion of the model that the config trains.

    Raises:
        UserError: MODEL is not name@alias; else as `load_train`.
    """
    name, _, alias = model.partition("@")
    if model and not (name and alias):
        raise UserError(f"MODEL is {model!r}; accepted: name@alias, like churn@champion")
    return (name, alias) if model else (load_train(path, overrides).registered_model, CHAMPION)


def load_model_card() -> ModelCardConfig:
    """Read configs/model-card.yaml; without the file, all texts are empty.

    Raises:
        UserError: As `core.config.load`.
    """
    return load(ModelCardConfig, MODEL_CARD, "", "")


def load_search() -> SearchConfig:
    """Read configs/search.yaml and apply the overrides in the variable SEARCH_SET.

    Raises:
        UserError: As `core.config.load`.
    """
    return load(SearchConfig, SEARCH, os.environ.get("SEARCH_SET", ""), "SEARCH_SET")
