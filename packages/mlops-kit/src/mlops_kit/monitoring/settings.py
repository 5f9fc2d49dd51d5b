"""The settings in configs/monitor.yaml: the rows that are compared, and the thresholds of drift."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Optional

from pydantic import Field

from mlops_kit.core.config import COLUMN_NAMES, NAME, Name, Section, load

MONITOR = Path("configs/monitor.yaml")


class MonitorConfig(Section):
    """All settings of configs/monitor.yaml: the rows that are compared, and the thresholds of drift."""

    source: Optional[str] = Field(
        None, min_length=1, description="a folder, an s3:// URL of one, or nothing"
    )
    environment: Optional[str] = Field(
        None,
        pattern=r"^[a-z][a-z0-9-]{0,30}$",
        description="the name of an environment, or nothing",
    )
    labels: Optional[str] = Field(
        None,
        description="a .csv, .csv.gz or .parquet file, a folder, an s3:// URL of one, or nothing",
    )
    days: float = Field(7, gt=0, le=366, description="days, more than 0, at most 366")
    rows: int = Field(200, ge=20, le=1_000_000, description="a whole number of rows, 20 to 1000000")
    false_alarms: float = Field(
        0.01, gt=0, le=0.2, description="a share of the windows, more than 0, at most 0.2"
    )
    distance: float = Field(
        0.1, ge=0, lt=1, description="a share of the rows, 0 or more, less than 1"
    )
    share: float = Field(
        0.05, ge=0, lt=1, description="a share of the rows, 0 or more, less than 1"
    )
    ignore: list[str] = Field([], description=COLUMN_NAMES)
    experiment: Name = Field("monitor", description=NAME)


def load_monitor() -> MonitorConfig:
    """Read configs/monitor.yaml and apply the variable MONITOR_SET; without the file, the defaults hold.

    Raises:
        UserError: As `core.config.load`.
    """
    return load(MonitorConfig, MONITOR, os.environ.get("MONITOR_SET", ""), "MONITOR_SET")
