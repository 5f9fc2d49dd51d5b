"""The settings in configs/deploy/*.yaml."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Literal, Optional

from pydantic import Field, field_validator, model_validator

from mlops_kit.core.config import Section, load
from mlops_kit.core.errors import UserError

from .. import local_aws

DEPLOY = Path("configs/deploy")  # a file for each environment

# Percent; source: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-type-linear.html
_LEAST_LINEAR = 3.0
# Minutes that a healthy deployment takes besides its configured waits: to start tasks, to be probed and to clean up; and
# at each step to be probed again.
_MINUTES_BESIDE, _MINUTES_BESIDE_A_STEP = 10, 1


class StepConfig(Section):
    """The traffic steps: one of `percent` for CANARY, several for LINEAR."""

    percent: float = Field(
        10,
        ge=0.1,
        le=100,
        description="percent of the requests, 0.1 to 100 in steps of 0.1; LINEAR: 3 to 100",
    )
    bake_minutes: int = Field(5, ge=0, le=1440, description="whole minutes, 0 to 1440")

    @field_validator("percent")
    @classmethod
    def _has_one_decimal(cls, value: float) -> float:
        if round(value, 1) != value:
            raise ValueError("more than one decimal")
        return value


class TasksConfig(Section):
    """The number of tasks, and their size."""

    count: int = Field(1, ge=1, le=1000, description="a whole number of tasks, 1 to 1000")
    cpu: Literal[256, 512, 1024, 2048, 4096, 8192, 16384] = Field(
        256, description="CPU units: 256, 512, 1024, 2048, 4096, 8192 or 16384"
    )
    memory: int = Field(
        512, ge=512, le=122_880, description="whole MiB, 512 to 122880, as cpu allows"
    )
    grace_seconds: int = Field(60, ge=0, le=3600, description="whole seconds, 0 to 3600")
    stop_seconds: int = Field(30, ge=2, le=120, description="whole seconds, 2 to 120")


class AutoscalingConfig(Section):
    """The bounds of the number of tasks, and their target CPU utilisation."""

    min: int = Field(ge=1, le=1000, description="a whole number of tasks, 1 to 1000")
    max: int = Field(ge=1, le=1000, description="a whole number of tasks, min to 1000")
    cpu_percent: float = Field(60, ge=10, le=95, description="percent of the tasks' CPU, 10 to 95")


class ProbeConfig(Section):
    """The probe's requests, and the limits that the new version has to meet before traffic is shifted to it and after."""

    requests: int = Field(50, ge=1, le=10_000, description="a whole number of requests, 1 to 10000")
    latency_ms: float = Field(500, gt=0, description="milliseconds, more than 0")
    error_rate: float = Field(0.0, ge=0, le=1, description="a share of the requests, 0 to 1")
    attempts: int = Field(3, ge=1, le=20, description="a whole number of attempts, 1 to 20")
    timeout_seconds: float = Field(
        10, gt=0, le=300, description="seconds, more than 0, at most 300"
    )


class DeployConfig(Section):
    """All settings of configs/deploy/ENV.yaml."""

    contract: str = Field(
        pattern=r"^/[A-Za-z0-9._/-]+$",
        description="the name of an SSM parameter, like /app/staging/deploy",
    )
    requires: Optional[str] = Field(
        None,
        pattern=r"^[a-z][a-z0-9-]{0,30}$",
        description="the name of another environment, or nothing",
    )
    approval: bool = Field(False, description="true or false")
    strategy: Literal["BLUE_GREEN", "CANARY", "LINEAR"] = Field(
        "BLUE_GREEN", description="BLUE_GREEN, CANARY or LINEAR"
    )
    steps: StepConfig = Field(StepConfig(), description="a mapping: percent, bake_minutes")
    bake_minutes: int = Field(5, ge=0, le=1440, description="whole minutes, 0 to 1440")
    pause_minutes: int = Field(15, ge=1, le=1440, description="whole minutes, 1 to 1440")
    deadline_minutes: float = Field(
        45, gt=0, le=2880, description="minutes, more than 0, at most 2880"
    )
    poll_seconds: float = Field(5, ge=0.1, le=60, description="seconds, 0.1 to 60")
    alarms: bool = Field(True, description="true or false")
    blocking_findings: Literal["none", "CRITICAL", "HIGH", "MEDIUM"] = Field(
        "CRITICAL", description="none, CRITICAL, HIGH or MEDIUM"
    )
    tasks: TasksConfig = Field(TasksConfig(), description="a mapping; see configs/deploy/")
    autoscaling: Optional[AutoscalingConfig] = Field(
        None, description="a mapping: min, max, cpu_percent; or nothing"
    )
    environment: dict[str, str] = Field(
        {}, description="a mapping of environment variables to strings"
    )
    probe: ProbeConfig = Field(ProbeConfig(), description="a mapping; see configs/deploy/")

    @property
    def waits(self) -> tuple[int, int]:
        """Return the number of traffic steps before the last one, and the minutes of all waits together."""
        linear = (1000 - 1) // round(10 * self.steps.percent)
        steps = {"BLUE_GREEN": 0, "CANARY": 1, "LINEAR": linear}[self.strategy]
        return steps, steps * self.steps.bake_minutes + self.bake_minutes

    def deadline_problem(self) -> str:
        """Return why even a successful deployment would not end before the deadline, or an empty string if it would."""
        steps, waits = self.waits
        beside = _MINUTES_BESIDE + steps * _MINUTES_BESIDE_A_STEP
        # The deadline is in real minutes, the waits are in minutes of ECS, which are shorter in the emulator.
        least = (waits + beside) * local_aws.seconds_of_a_minute() / 60
        if self.deadline_minutes >= least:
            return ""
        planned = f"{steps} steps of {self.steps.bake_minutes} minutes and " * bool(steps)
        return (
            f"deadline_minutes is {self.deadline_minutes:g}, but {self.strategy} waits {waits} minutes ({planned}"
            f"bake_minutes: {self.bake_minutes}) and needs {beside} beside them: shorten the waits, or set"
            f" deadline_minutes: {math.ceil(10 * least) / 10:g}"
        )

    @model_validator(mode="after")
    def _steps_are_ecs_own(self) -> DeployConfig:
        if self.strategy == "LINEAR" and self.steps.percent < _LEAST_LINEAR:
            raise ValueError(
                f"steps.percent is {self.steps.percent:g}; accepted for LINEAR: {_LEAST_LINEAR:g} to 100"
            )
        return self

    @model_validator(mode="after")
    def _numbers_fit(self) -> DeployConfig:
        scaling = self.autoscaling
        if scaling and not scaling.min <= self.tasks.count <= scaling.max:
            raise ValueError(
                f"tasks.count is {self.tasks.count}; accepted: autoscaling.min to autoscaling.max,"
                f" {scaling.min} to {scaling.max}"
            )
        return self


def load_deploy(environment: str) -> DeployConfig:
    """Read configs/deploy/ENV.yaml and apply the variable DEPLOY_SET.

    Raises:
        UserError: There is no such environment; else as `core.config.load`.
    """
    path = DEPLOY / f"{environment}.yaml"
    if not (environment.replace("-", "").isalnum() and path.is_file()):
        known = ", ".join(sorted(each.stem for each in DEPLOY.glob("*.yaml")))
        raise UserError(f"ENV is {environment!r}; accepted, as {DEPLOY} has them: {known}")
    return load(DeployConfig, path, os.environ.get("DEPLOY_SET", ""), "DEPLOY_SET")
