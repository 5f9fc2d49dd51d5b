"""The sections of configs/train.yaml about the data: source, format and split."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Optional

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from mlops_kit.core.config import COLUMN_NAMES, Section
from mlops_kit.core.values import MISSING

_EXAMPLES = '1234.5, "1234,5", "1,234.5", "1.234,5", "1 234,5" or "1\'234.5", with a sign like % or $ or without'


def _example(value: Any) -> Any:
    """Accept 1234.5 without quotes, which YAML reads as a number."""
    return str(value) if isinstance(value, float) else value


def _checked(example: str) -> str:
    from .number_spelling import (
        parse,  # it imports pyarrow, which takes a moment, and every command imports this module
    )

    parse(example)
    return example


_Number = Annotated[str, BeforeValidator(_example), AfterValidator(_checked)]


class DataConfig(Section):
    """The source of the rows, the format of its files, and the meaning of its columns."""

    source: str = Field(
        description="sklearn:NAME, sql:PATH.sql, or a file, a folder, a pattern like data/part-*.csv or an s3:// URL"
    )
    target: str = Field(description="the name of the column to predict (quote a number)")
    drop: list[str] = Field([], description=COLUMN_NAMES)
    keep: list[str] = Field([], description=COLUMN_NAMES)
    weight: Optional[str] = Field(
        None, description="the name of a column of numbers, 0 or more, or nothing"
    )
    policy: Literal["fix", "strict"] = Field("fix", description="fix or strict")
    max_left_out: float = Field(0.5, ge=0, le=1, description="a share of the rows, 0 to 1")
    min_class_rows: int = Field(3, ge=1, description="a whole number of rows, 1 or more")
    categorical: list[str] = Field([], description=COLUMN_NAMES)
    dates: dict[str, str] = Field({}, description="a mapping of column names to strptime formats")
    numbers: dict[str, _Number] = Field(
        {}, description=f"a mapping of column names to 1234.5 in their format: {_EXAMPLES}"
    )
    missing_values: list[str] = Field(list(MISSING), description="a list of strings, in quotes")
    delimiter: Optional[str] = Field(
        None,
        pattern=r"^[\t !#-~]$",
        description='one ASCII character, in quotes (a tab: "\\t"), not a quote itself',
    )
    decimal: Literal[".", ","] = Field(".", description="'.' or ',', in quotes")
    thousands: Literal["", ",", ".", " ", "'"] = Field(
        "", description="',', '.', a blank or an apostrophe, in quotes, or nothing"
    )
    skip_rows: int = Field(0, ge=0, description="a whole number of lines, 0 or more")
    comment: str = Field(
        "", pattern=r"^[!#-~]?$", description="one ASCII character, in quotes, or nothing"
    )
    encoding: str = Field(
        "utf-8",
        pattern=r"^[A-Za-z0-9._-]+$",
        description="the name of a text encoding, like utf-8 or cp1252",
    )

    @model_validator(mode="after")
    def _marks_differ(self) -> DataConfig:
        if self.thousands == self.decimal:
            raise ValueError(
                f"data.thousands is {self.thousands!r}, as data.decimal is; accepted: another mark"
            )
        return self


class SplitConfig(Section):
    """The split of the rows into training set and test set."""

    by: Literal["content", "time", "group"] = Field("content", description="content, time or group")
    column: Optional[str] = Field(None, description="the name of a column, or nothing")
    test_size: float = Field(0.2, ge=0.01, le=0.9, description="a share of the rows, 0.01 to 0.9")

    @model_validator(mode="after")
    def _has_its_column(self) -> SplitConfig:
        if self.by == "content" and self.column is not None:
            raise ValueError(
                f"split.column is {self.column!r}, which split.by content does not look at; accepted: nothing, or"
                " split.by time or group"
            )
        if self.by != "content" and self.column is None:
            what = "time" if self.by == "time" else "group"
            raise ValueError(
                f"split.column is missing; accepted under split.by {self.by}: the column with the {what} of each row"
            )
        return self


class TableSettings(Section):
    """The keys of configs/train.yaml about the data; `TrainConfig` adds those about the model."""

    task: Literal["auto", "classification", "regression"] = Field(
        "auto", description="auto, classification or regression"
    )
    seed: int = Field(0, ge=0, le=2**32 - 1, description="a whole number, 0 to 4294967295")
    data: DataConfig = Field(description="a mapping; see configs/train.yaml")
    split: SplitConfig = Field(SplitConfig(), description="a mapping; see configs/train.yaml")
