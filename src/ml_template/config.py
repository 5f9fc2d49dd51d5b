"""What configs/*.yaml may say: typed, unknown keys refused, ranges told."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Optional

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

CHAMPION = "champion"  # the alias of the registered version that is served

METRICS: dict[str, tuple[str, ...]] = {
    "classification": ("accuracy", "balanced_accuracy", "f1_macro", "roc_auc", "log_loss"),
    "regression": ("r2", "mae", "rmse"),
}

# The description of each field says what it accepts: it is what an error prints, and what editors show.
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._ -]{0,99}$")]
_NAME = "letters, digits, spaces and . _ - (at most 100, the first a letter or digit)"
_NAMES = "a list of column names, texts (quote a number)"
_FROM_0_TO_1 = Field(None, ge=0, le=1, description="0 to 1")
_AT_LEAST_0 = Field(None, ge=0, description="a number, 0 or more")


class Section(BaseModel):
    """A mapping of a config file: strict, and with no other keys than its fields."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class DataConfig(Section):
    """Where the rows come from and how to read them."""

    source: str = Field(
        description="sklearn:NAME, a path or an s3:// URL that ends in .csv, .csv.gz or .parquet"
    )
    target: str = Field(description="the name of the column to predict, a text (quote a number)")
    drop: list[str] = Field([], description=_NAMES)
    keep: list[str] = Field([], description=_NAMES)
    categorical: list[str] = Field([], description=_NAMES)
    dates: dict[str, str] = Field({}, description="a mapping of column names to strptime formats")
    missing_values: list[str] = Field([], description="a list of texts, in quotes")
    delimiter: str = Field(
        ",",
        pattern=r"^[\t !#-~]$",
        description='one ASCII character, in quotes (a tab: "\\t"), not a quote itself',
    )
    decimal: Literal[".", ","] = Field(".", description="'.' or ',', in quotes")
    encoding: str = Field(
        "utf-8",
        pattern=r"^[A-Za-z0-9._-]+$",
        description="the name of a text encoding, like utf-8 or cp1252",
    )


class SplitConfig(Section):
    """Which part of the rows is held out."""

    test_size: float = Field(0.2, ge=0.01, le=0.9, description="0.01 to 0.9")


class ModelConfig(Section):
    """Which estimator is fitted, with which parameters."""

    kind: str = Field("hist_gradient_boosting", description="a name listed in model.py")
    params: dict[str, Any] = Field({}, description="a mapping of the estimator's parameters")


class Thresholds(Section):
    """The worst acceptable value of each metric, on the held-out rows."""

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
    """When a run is good enough to be registered."""

    metric: str = Field(description="a metric of the task")
    thresholds: Thresholds = Field(Thresholds(), description="a mapping of metrics to numbers")
    confidence: float = Field(0.95, ge=0.5, le=0.999, description="0.5 to 0.999")
    slices: Optional[SliceConfig] = Field(None, description="a mapping, or nothing")
    prediction_ms: float = Field(100, gt=0, description="milliseconds, more than 0")


class TrainConfig(Section):
    """The whole of configs/train.yaml."""

    experiment: Name = Field(description=_NAME)
    registered_model: Name = Field(description=_NAME)
    task: Literal["classification", "regression"] = Field(
        description="classification or regression"
    )
    seed: int = Field(0, ge=0, le=2**32 - 1, description="a whole number, 0 to 4294967295")
    data: DataConfig = Field(description="a mapping; see configs/train.yaml")
    split: SplitConfig = Field(SplitConfig(), description="a mapping; see configs/train.yaml")
    model: ModelConfig = Field(ModelConfig(), description="a mapping; see configs/train.yaml")
    validation: ValidationConfig = Field(description="a mapping; see configs/train.yaml")

    @model_validator(mode="after")
    def _metrics_fit_the_task(self) -> TrainConfig:
        named = [("validation.metric is", self.validation.metric)]
        named += [("validation.thresholds names", m) for m in self.validation.thresholds.given()]
        if self.validation.slices:
            named.append(("validation.slices.metric is", self.validation.slices.metric))
        for place, metric in named:
            if metric not in METRICS[self.task]:
                accepted = ", ".join(METRICS[self.task])
                raise ValueError(f"{place} {metric!r}; accepted for {self.task}: {accepted}")
        return self


class ExportConfig(Section):
    """When a model may be served from its ONNX form."""

    tolerance: float = Field(1e-5, gt=0, le=1, description="a number, more than 0, at most 1")
    golden_rows: int = Field(5, ge=1, le=100, description="a whole number, 1 to 100")


class LimitsConfig(Section):
    """What the service takes on."""

    rows: int = Field(1000, ge=1, le=100_000, description="a whole number, 1 to 100000")
    body_kilobytes: int = Field(1024, ge=1, le=65_536, description="a whole number, 1 to 65536")
    seconds: float = Field(10, gt=0, le=600, description="seconds, more than 0, at most 600")
    waiting: int = Field(100, ge=1, le=10_000, description="a whole number, 1 to 10000")
    drain_seconds: float = Field(3, ge=0, le=600, description="seconds, 0 to 600")


class RecordConfig(Section):
    """What the service keeps of its rows and answers, for `make monitor`."""

    folder: Optional[str] = Field(None, min_length=1, description="a folder, or nothing")
    share: float = Field(1, gt=0, le=1, description="a share of the rows, more than 0, at most 1")
    private: list[str] = Field([], description=_NAMES)
    megabytes: int = Field(100, ge=1, le=100_000, description="megabytes, 1 to 100000")
    minutes: float = Field(60, gt=0, le=1440, description="minutes, more than 0, at most 1440")


class ServeConfig(Section):
    """The whole of configs/serve.yaml."""

    export: ExportConfig = Field(ExportConfig(), description="a mapping; see configs/serve.yaml")
    limits: LimitsConfig = Field(LimitsConfig(), description="a mapping; see configs/serve.yaml")
    record: RecordConfig = Field(RecordConfig(), description="a mapping; see configs/serve.yaml")


class MonitorConfig(Section):
    """The whole of configs/monitor.yaml: what is compared, and how far apart is too far."""

    source: Optional[str] = Field(
        None, min_length=1, description="a folder, an s3:// URL of one, or nothing"
    )
    labels: Optional[str] = Field(
        None, description="a path or s3:// URL that ends in .csv, .csv.gz or .parquet, or nothing"
    )
    days: float = Field(7, gt=0, le=366, description="days, more than 0, at most 366")
    rows: int = Field(200, ge=20, le=1_000_000, description="a whole number, 20 to 1000000")
    false_alarms: float = Field(0.01, gt=0, le=0.2, description="more than 0, at most 0.2")
    distance: float = Field(0.1, ge=0, lt=1, description="0 or more, less than 1")
    share: float = Field(0.05, ge=0, lt=1, description="0 or more, less than 1")
    ignore: list[str] = Field([], description=_NAMES)
    experiment: Name = Field("monitor", description=_NAME)


class CiPricesConfig(Section):
    """What a minute on each kind of runner costs, and who says so."""

    source: str = Field(pattern=r"^https?://", description="the web address of the price list")
    valid_from: str = Field(
        pattern=r"^\d{4}-\d{2}-\d{2}$", description='a day in quotes, like "2026-01-01"'
    )
    currency: str = Field("USD", pattern=r"^[A-Z]{3}$", description="three letters, like USD")
    per_minute: dict[str, Annotated[float, Field(ge=0)]] = Field(
        description="a mapping of runner labels to prices, 0 or more"
    )


_TEXT = "a text, or nothing"


class ModelCardConfig(Section):
    """The whole of configs/model-card.yaml: what people have to say of a model."""

    intended_use: Optional[str] = Field(None, description=_TEXT)
    not_for: Optional[str] = Field(None, description=_TEXT)
    data: Optional[str] = Field(None, description=_TEXT)
    limits: Optional[str] = Field(None, description=_TEXT)
    risks: Optional[str] = Field(None, description=_TEXT)
    owner: Optional[str] = Field(None, description=_TEXT)

    def empty(self) -> list[str]:
        """Return the keys under which nobody has written anything."""
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
        return self


def is_range(choice: Any) -> bool:
    """Tell whether `choice` is a mapping of `low` and `high`, numbers, and `log`, true or false."""
    if not isinstance(choice, dict) or not {"low", "high"} <= set(choice) <= {"low", "high", "log"}:
        return False
    low, high, log = choice["low"], choice["high"], choice.get("log", False)
    numbers = all(type(bound) in (int, float) for bound in (low, high)) and type(log) is bool
    return numbers and low < high and (low > 0 or not log)
