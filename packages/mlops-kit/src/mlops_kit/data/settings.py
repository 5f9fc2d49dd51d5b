"""What configs/train.yaml says of the rows: where they come from, how to read them, which are the test set."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from mlops_kit.core.config import COLUMN_NAMES, Section


class DataConfig(Section):
    """Where the rows come from and how to read them."""

    source: str = Field(
        description="sklearn:NAME, a path or an s3:// URL that ends in .csv, .csv.gz or .parquet"
    )
    target: str = Field(description="the name of the column to predict, a text (quote a number)")
    drop: list[str] = Field([], description=COLUMN_NAMES)
    keep: list[str] = Field([], description=COLUMN_NAMES)
    policy: Literal["fix", "strict"] = Field("fix", description="fix or strict")
    max_left_out: float = Field(0.5, ge=0, le=1, description="a share of the rows, 0 to 1")
    min_class_rows: int = Field(3, ge=1, description="a whole number, 1 or more")
    categorical: list[str] = Field([], description=COLUMN_NAMES)
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


class TableSettings(Section):
    """The keys of configs/train.yaml that decide about rows; `TrainConfig` has them beside its own."""

    task: Literal["auto", "classification", "regression"] = Field(
        "auto", description="auto, classification or regression"
    )
    seed: int = Field(0, ge=0, le=2**32 - 1, description="a whole number, 0 to 4294967295")
    data: DataConfig = Field(description="a mapping; see configs/train.yaml")
    split: SplitConfig = Field(SplitConfig(), description="a mapping; see configs/train.yaml")
