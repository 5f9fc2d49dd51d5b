"""The settings of a hyperparameter search: configs/search.yaml."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Optional

from pydantic import Field, model_validator

from mlops_kit.core.config import Section, load

SEARCH = Path("configs/search.yaml")


class SearchConfig(Section):
    """All settings of configs/search.yaml: the candidates of `make search`, and its rounds."""

    candidates: int = Field(
        27, ge=1, le=10_000, description="a whole number of candidates, 1 to 10000"
    )
    folds: int = Field(3, ge=2, le=20, description="a whole number of folds, 2 to 20")
    factor: int = Field(3, ge=2, le=10, description="a whole number, 2 to 10")
    min_rows: int = Field(500, ge=10, description="a whole number of rows, 10 or more")
    metric: Optional[str] = Field(None, description="a metric of the task, or nothing")
    seed: int = Field(0, ge=0, le=2**32 - 1, description="a whole number, 0 to 4294967295")
    workers: Optional[int] = Field(
        None, ge=1, le=1024, description="a whole number of processes, 1 to 1024, or nothing"
    )
    params: dict[str, Any] = Field(
        description="a mapping of parameters to lists of values, or to ranges {low: …, high: …}"
    )

    @model_validator(mode="after")
    def _can_be_drawn(self) -> SearchConfig:
        for name, choice in self.params.items():
            if not (is_range(choice) or (isinstance(choice, list) and choice)):
                raise ValueError(
                    f"params.{name} is {choice!r}; accepted: a list of values, or a range {{low: 0.1, high:"
                    " 10, log: true}, log only above 0"
                )
            if not _is_json(choice):  # it is logged and reported as JSON
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


def load_search() -> SearchConfig:
    """Read configs/search.yaml and apply the overrides in the variable SEARCH_SET.

    Raises:
        UserError: As `core.config.load`.
    """
    return load(SearchConfig, SEARCH, os.environ.get("SEARCH_SET", ""), "SEARCH_SET")
