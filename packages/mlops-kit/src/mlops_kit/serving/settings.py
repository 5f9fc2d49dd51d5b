"""The service's settings in configs/serve.yaml; the docstrings of the classes are in its JSON schema."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Literal, Optional

from pydantic import Field, field_validator, model_validator

from mlops_kit.artifact.settings import ExportConfig
from mlops_kit.core.config import COLUMN_NAMES, Section, load

SHADOW, SHARE = "shadow", "share"  # the modes of a challenger
SERVE = Path("configs/serve.yaml")
MOST_MINUTES = 1440  # the maximum of record.minutes, and so the time that a recorded file spans


class LimitsConfig(Section):
    """The limits of requests and connections."""

    rows: int = Field(1000, ge=1, le=100_000, description="a whole number of rows, 1 to 100000")
    body_kilobytes: int = Field(1024, ge=1, le=65_536, description="whole KiB, 1 to 65536")
    seconds: float = Field(10, gt=0, le=600, description="seconds, more than 0, at most 600")
    waiting: int = Field(500, ge=1, le=10_000, description="a whole number of requests, 1 to 10000")
    connections: int = Field(
        1000, ge=1, le=100_000, description="a whole number of connections, 1 to 100000"
    )
    keep_alive_seconds: int = Field(75, ge=1, le=4000, description="whole seconds, 1 to 4000")
    drain_seconds: float = Field(3, ge=0, le=600, description="seconds, 0 to 600")


class RecordConfig(Section):
    """The recording of rows and predictions, for `make monitor`."""

    folder: Optional[str] = Field(None, min_length=1, description="a folder, or nothing")
    to: Optional[str] = Field(
        None, min_length=1, description="a folder, s3://BUCKET/PREFIX, or nothing"
    )
    share: float = Field(1, gt=0, le=1, description="a share of the rows, more than 0, at most 1")
    private: list[str] = Field([], description=COLUMN_NAMES)
    megabytes: int = Field(100, ge=1, le=100_000, description="whole megabytes, 1 to 100000")
    minutes: float = Field(
        60, gt=0, le=MOST_MINUTES, description=f"minutes, more than 0, at most {MOST_MINUTES}"
    )


class ShareConfig(Section):
    """The share of requests that the challenger predicts."""

    percent: float = Field(0, ge=0, le=100, description="percent of the units, 0 to 100")
    header: Optional[str] = Field(
        None, pattern=r"^[A-Za-z0-9-]+$", description="the name of a header, or nothing"
    )
    column: Optional[str] = Field(
        None, min_length=1, description="the name of a column, or nothing"
    )
    salt: str = Field("", description="a string")
    file: Optional[str] = Field(
        None, min_length=1, description="a path, s3://BUCKET/KEY, or nothing"
    )
    provider: Optional[str] = Field(
        None, pattern=r"^[\w.]+:\w+$", description="module:Class, or nothing"
    )

    @field_validator("file")
    @classmethod
    def _names_an_object(cls, file: Optional[str]) -> Optional[str]:
        if file and file.startswith("s3://") and not re.match(r"s3://[^/]+/.*[^/]$", file):
            raise ValueError("it names no object")
        return file


class ChallengerConfig(Section):
    """The mode of the version with the alias challenger, and its limits."""

    mode: Optional[Literal["shadow", "share"]] = Field(
        None, description="shadow, share, or nothing"
    )
    megabytes: int = Field(512, ge=64, le=1_000_000, description="whole megabytes, 64 to 1000000")
    seconds: float = Field(10, gt=0, le=600, description="seconds, more than 0, at most 600")
    share: ShareConfig = Field(ShareConfig(), description="a mapping; see configs/serve.yaml")

    @model_validator(mode="after")
    def _has_one_unit(self) -> ChallengerConfig:
        if self.mode == SHARE and bool(self.share.header) == bool(self.share.column):
            raise ValueError("mode share needs share.header or share.column, one of the two")
        return self


class ServeConfig(Section):
    """All settings of configs/serve.yaml."""

    root_path: Optional[str] = Field(
        None, pattern=r"^(/[A-Za-z0-9._~-]+)+$", description="a path like /churn, or nothing"
    )
    export: ExportConfig = Field(ExportConfig(), description="a mapping; see configs/serve.yaml")
    limits: LimitsConfig = Field(LimitsConfig(), description="a mapping; see configs/serve.yaml")
    record: RecordConfig = Field(RecordConfig(), description="a mapping; see configs/serve.yaml")
    challenger: ChallengerConfig = Field(
        ChallengerConfig(), description="a mapping; see configs/serve.yaml"
    )


def load_serve() -> ServeConfig:
    """Read configs/serve.yaml and apply the variable SERVE_SET; without the file, the defaults hold.

    Raises:
        UserError: As `core.config.load`.
    """
    return load(ServeConfig, SERVE, os.environ.get("SERVE_SET", ""), "SERVE_SET")
