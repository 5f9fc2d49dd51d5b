"""What configs/serve.yaml says of the service."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Optional

from pydantic import Field

from mlops_kit.artifact.settings import ExportConfig
from mlops_kit.core.config import COLUMN_NAMES, Section, load

SERVE = Path("configs/serve.yaml")


class LimitsConfig(Section):
    """What the service takes on."""

    rows: int = Field(1000, ge=1, le=100_000, description="a whole number, 1 to 100000")
    body_kilobytes: int = Field(1024, ge=1, le=65_536, description="a whole number, 1 to 65536")
    seconds: float = Field(10, gt=0, le=600, description="seconds, more than 0, at most 600")
    waiting: int = Field(500, ge=1, le=10_000, description="a whole number, 1 to 10000")
    connections: int = Field(1000, ge=1, le=100_000, description="a whole number, 1 to 100000")
    keep_alive_seconds: int = Field(75, ge=1, le=4000, description="whole seconds, 1 to 4000")
    drain_seconds: float = Field(3, ge=0, le=600, description="seconds, 0 to 600")


class RecordConfig(Section):
    """What the service keeps of its rows and answers, for `make monitor`."""

    folder: Optional[str] = Field(None, min_length=1, description="a folder, or nothing")
    share: float = Field(1, gt=0, le=1, description="a share of the rows, more than 0, at most 1")
    private: list[str] = Field([], description=COLUMN_NAMES)
    megabytes: int = Field(100, ge=1, le=100_000, description="megabytes, 1 to 100000")
    minutes: float = Field(60, gt=0, le=1440, description="minutes, more than 0, at most 1440")


class ServeConfig(Section):
    """The whole of configs/serve.yaml."""

    root_path: Optional[str] = Field(
        None, pattern=r"^(/[A-Za-z0-9._~-]+)+$", description="a path like /churn, or nothing"
    )
    export: ExportConfig = Field(ExportConfig(), description="a mapping; see configs/serve.yaml")
    limits: LimitsConfig = Field(LimitsConfig(), description="a mapping; see configs/serve.yaml")
    record: RecordConfig = Field(RecordConfig(), description="a mapping; see configs/serve.yaml")


def load_serve() -> ServeConfig:
    """Read configs/serve.yaml and apply the variable SERVE_SET; without the file, the defaults hold.

    Raises:
        UserError: As `core.config.load`.
    """
    return load(ServeConfig, SERVE, os.environ.get("SERVE_SET", ""), "SERVE_SET")
