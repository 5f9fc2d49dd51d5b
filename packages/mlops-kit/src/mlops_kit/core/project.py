"""The project that uses the kit: its name and its modules. The kit never imports it by name."""

from __future__ import annotations

import hashlib
import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import UserError


@dataclass(frozen=True)
class Project:
    """The project that a `__main__.py` passes to the kit; the modules next to that file hold the rest.

    `name` names the image and the cloud resources (lower-case letters, digits, hyphens), `package` is the Python package.
    Its modules are imported on first use: the service's image has no pandas, and commands should start fast.
    """

    name: str
    package: str

    def load(self, config: Any) -> Any:
        """Return the rows that `config` names, checked and split: `load` in data.py."""
        return self._part("data").load(config)

    def derive(self, columns: Any) -> Any:
        """Return the derived columns: `derive` in features.py."""
        return self._part("features").derive(columns)

    @property
    def features_digest(self) -> str:
        """Return the SHA-256 of features.py: a model trained with another version would get different values."""
        file = Path(str(self._part("features").__file__))
        return hashlib.sha256(file.read_bytes()).hexdigest()

    def train(self, config: Any) -> Any:
        """Run one training: `train` in train.py."""
        return self._part("train").train(config)

    @property
    def estimators(self) -> dict[str, dict[str, type]]:
        """Return the estimators of each model.kind, by task: `ESTIMATORS` in model.py."""
        found: dict[str, dict[str, type]] = self._part("model").ESTIMATORS
        return found

    @property
    def takes_raw_columns(self) -> tuple[type, ...]:
        """Return the estimators that take missing values and ordinal-encoded categories: `TAKES_RAW_COLUMNS` in model.py."""
        found: tuple[type, ...] = self._part("model").TAKES_RAW_COLUMNS
        return found

    @property
    def trusted_types(self) -> list[str]:
        """Return the types that a stored model may hold in addition to the kit's own list: `TRUSTED_TYPES` in model.py."""
        found: list[str] = self._part("model").TRUSTED_TYPES
        return found

    @property
    def metrics(self) -> dict[str, dict[str, Any]]:
        """Return the project's own metrics by task and name: `METRICS` in metrics.py."""
        found: dict[str, dict[str, Any]] = self._part("metrics").METRICS
        return found

    def register_converters(self) -> None:
        """Register the converters to ONNX of the project's own estimators: `register_converters` in model.py."""
        self._part("model").register_converters()

    def _part(self, module: str) -> Any:
        return importlib.import_module(f"{self.package}.{module}")


_current: list[Project] = []


def use(project: Project) -> None:
    """Set the project of this process."""
    _current[:] = [project]


def use_package(package: str) -> None:
    """Set PROJECT of `package` as the project of this process, if there is none: MLflow's own commands do not call run()."""
    if not _current:
        use(importlib.import_module(f"{package}.__main__").PROJECT)


def current() -> Project:
    """Return the project of this process.

    Raises:
        UserError: No project is set.
    """
    if not _current:
        raise UserError(
            "no project was handed to the kit: call run(Project(...)), as __main__.py does"
        )
    return _current[0]
