"""Look up runs and registered versions, and load the models that belong to them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mlops_kit import data
from mlops_kit.core import project
from mlops_kit.core.errors import UserError, one_line
from mlops_kit.core.files import named_if_full, scratch

from . import store
from .settings import CHAMPION, TrainConfig

if TYPE_CHECKING:
    from .model_storage import StoredModel

LAST = Path("reports/train.json")
VALIDATION = "validation.json"
VALIDATION_TAG = "validation"  # passed, failed or unfinished
FITTED = "fitted_rows.npy"
FITTED_UNITS = "fitted_units.npy"


@dataclass(frozen=True)
class Run:
    """A finished training run: its id, its config, its tags and metrics, the folder of its artifacts, its start (UTC)."""

    run_id: str
    config: TrainConfig
    tags: dict[str, str]
    metrics: dict[str, float]
    artifacts: str
    started: datetime

    def estimates(self) -> dict[str, dict[str, float]]:
        """Return the metrics with the bounds of their intervals: `value`, `lower`, `upper`."""
        names = [name for name in self.metrics if not name.endswith((".lower", ".upper"))]
        return {
            name: {
                key: self.metrics[logged]
                for key, logged in (
                    ("value", name),
                    ("lower", f"{name}.lower"),
                    ("upper", f"{name}.upper"),
                )
                if logged in self.metrics
            }
            for name in names
        }


def last() -> str:
    """Return the id of the run in reports/train.json.

    Raises:
        UserError: The report is missing or damaged.
    """
    try:
        run_id = str(json.loads(LAST.read_text(encoding="utf-8"))["run_id"])
    except FileNotFoundError:
        raise UserError(f"{LAST} not found: there is no run yet (make train)") from None
    except (ValueError, KeyError, TypeError):
        run_id = ""
    if not run_id.isalnum():
        raise UserError(f"{LAST} is damaged: make train writes it again")
    return run_id


def find(client: Any, run_id: str) -> Run:
    """Return the run `run_id` of the current store.

    Raises:
        UserError: The store does not have it, it did not finish, or its config cannot be read.
    """
    import mlflow

    try:
        run = client.get_run(run_id)
    except mlflow.exceptions.MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        run = None
    if run is None or run.info.lifecycle_stage == "deleted":
        raise UserError(f"run {run_id} is not in {store.redacted(store.uri())}: make train")
    if run.info.status != "FINISHED" or "model.sha256" not in run.data.tags:
        raise UserError(f"run {run_id} did not finish ({run.info.status}): make train")
    try:
        settings = mlflow.artifacts.load_dict(f"{run.info.artifact_uri}/config.json")
        config = TrainConfig.model_validate(settings)
    except (mlflow.exceptions.MlflowException, OSError, ValueError) as error:
        reason = one_line(error)
        raise UserError(f"config.json of run {run_id} cannot be read: {reason}") from error
    started = datetime.fromtimestamp(run.info.start_time / 1000, timezone.utc)
    tags, metrics = dict(run.data.tags), dict(run.data.metrics)
    return Run(run_id, config, tags, metrics, run.info.artifact_uri, started)


def champion(client: Any, name: str) -> Any | None:
    """Return the version of the model `name` with the alias `champion`, or None if there is none."""
    return aliased(client, name, CHAMPION)


def aliased(client: Any, name: str, alias: str) -> Any | None:
    """Return the version of the model `name` with `alias`, or None if there is none."""
    number = (_aliases(client, name) or {}).get(alias)
    return None if number is None else client.get_model_version(name, number)


def of_alias(client: Any, name: str, alias: str) -> Any:
    """Return the version of the model `name` that has `alias`.

    Raises:
        UserError: There is no such model or alias.
    """
    aliases = _aliases(client, name)
    if aliases is None:
        raise UserError(f"there is no registered model {name!r} (make register)")
    if alias not in aliases:
        known = ", ".join(sorted(aliases)) or "none"
        raise UserError(f"model {name!r} has no alias {alias!r}; its aliases: {known}")
    return client.get_model_version(name, aliases[alias])


def _aliases(client: Any, name: str) -> dict[str, str] | None:
    """Return the version numbers of the model `name` by alias, or None if there is no such model."""
    models = client.search_registered_models(filter_string=f"name = '{name}'", max_results=1)
    return dict(models[0].aliases) if models else None


def keep(run: Run, file: Path) -> None:
    """Store a file as an artifact of the run, in place of one with the same name."""
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    # Not through the client, which uses the location from before the repository was copied.
    with named_if_full(run.artifacts):
        get_artifact_repository(run.artifacts).log_artifact(str(file))


def validation(run: Run) -> dict[str, Any] | None:
    """Return the result of `make validate` stored with the run, or None if it was not validated."""
    import mlflow

    try:
        return dict(mlflow.artifacts.load_dict(f"{run.artifacts}/{VALIDATION}"))
    except (mlflow.exceptions.MlflowException, OSError):
        return None


def keep_fitted_rows(dataset: data.Dataset, by: str) -> None:
    """Log to the active run the hashes of its training rows, and their groups or latest time; `by` is `split.by`.

    A later comparison leaves these rows out.
    """
    import mlflow

    kept = {FITTED: dataset.train_fingerprints}
    if dataset.train_units is not None:
        found = np.unique(dataset.train_units)
        kept[FITTED_UNITS] = found[-1:] if by == "time" else found
    with scratch() as folder, named_if_full(mlflow.get_artifact_uri()):
        for name, values in kept.items():
            np.save(folder / name, values)
        mlflow.log_artifacts(str(folder))


def fitted_rows(run: Run) -> npt.NDArray[np.uint64] | None:
    """Return the hashes of the rows that `run` was trained on, shape (rows,), or None if it has no record."""
    return _kept_array(run, FITTED)


def fitted_units(run: Run) -> npt.NDArray[Any] | None:
    """Return the groups that `run` was trained on, or their latest time, shape (1,), by its own `split.column`; else None."""
    return _kept_array(run, FITTED_UNITS)


def _kept_array(run: Run, name: str) -> npt.NDArray[Any] | None:
    import mlflow

    with scratch() as folder:
        try:
            artifact = f"{run.artifacts}/{name}"
            path = mlflow.artifacts.download_artifacts(artifact, dst_path=str(folder))
            found: npt.NDArray[Any] = np.load(path, allow_pickle=False)
        except (mlflow.exceptions.MlflowException, OSError, ValueError):
            return None
        return found


def load_data(run: Run, config: TrainConfig) -> data.Dataset:
    """Load the rows that the run was trained and evaluated on, by the run's config or one derived from it.

    Raises:
        UserError: The data has changed since the run, or as `data.load`.
    """
    dataset: data.Dataset = project.current().load(config)
    if dataset.digest != run.tags["data.digest"]:
        raise UserError(f"{run.config.data.source} has changed since run {run.run_id}: make train")
    return dataset


def load_model(run: Run) -> StoredModel:
    """Download and load the model of `run`, after comparing its SHA-256 with the run's tag.

    Raises:
        UserError: The artifact is missing or was changed.
        CannotLoadError: It is unchanged, but cannot be loaded here.
    """
    from . import model_storage  # with skops, which imports all of scikit-learn

    with _downloaded(run) as folder:
        return model_storage.load(folder, run.tags["model.sha256"], _what(run))


def columns(run: Run) -> data.Columns:
    """Return the columns that the model of `run` takes, after the same check; the pipeline is not loaded.

    Raises:
        UserError: The artifact is missing or was changed.
    """
    from . import model_storage  # with skops, which imports all of scikit-learn

    with _downloaded(run) as folder:
        return model_storage.columns(folder, run.tags["model.sha256"], _what(run))


def _what(run: Run) -> str:
    return f"the model of run {run.run_id}"


@contextmanager
def _downloaded(run: Run) -> Iterator[Path]:
    import mlflow

    with scratch() as folder:
        try:
            path = mlflow.artifacts.download_artifacts(run.tags["model.uri"], dst_path=str(folder))
        except (mlflow.exceptions.MlflowException, OSError) as error:
            raise UserError(f"{_what(run)} cannot be read: {one_line(error)}") from None
        yield Path(path)
