"""Compare a run with the champion, on rows of the test set that the champion was not trained on either."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from mlops_kit.core.errors import UserError
from mlops_kit.data import Dataset, fingerprints
from mlops_kit.data.problems import some

from . import runs
from .metrics import Estimate, gains, value
from .model_storage import CannotLoadError, StoredModel
from .predictions import Predictions, predict
from .settings import CHAMPION, TrainConfig, metric_names

_FEWEST_ROWS = 20
# For messages: what a run with another split has not recorded, and which other rows help a model.
_UNITS = {"time": "up to which time", "group": "which groups"}
_KIN = {"time": "on later ones", "group": "on others of their groups"}


@dataclass(frozen=True)
class Comparison:
    """The result: `gain` in the config's metric with its interval, or `why_not`, the reason why there is none.

    `version` is the champion's, empty if there is none; `rows` is the number of rows compared on; `metrics` has for each
    metric the champion's `value` and the run's `gain` over it.
    """

    version: str = ""
    why_not: str = ""
    gain: Estimate | None = None
    rows: int = 0
    metrics: dict[str, Any] = field(default_factory=dict)


def check_columns(client: Any, config: TrainConfig, dataset: Dataset) -> None:
    """Check, under data.policy strict, that the features are those of the champion of `registered_model`.

    Their names and kinds are read from its columns.json; without a champion nothing is checked.

    Raises:
        UserError: A column was added, removed or has another kind, or the champion cannot be read.
    """
    if config.data.policy != "strict":
        return
    champion = runs.champion(client, config.registered_model)
    if champion is None:
        return
    before = runs.columns(runs.find(client, champion.run_id)).kinds
    now = dataset.columns.kinds
    changes = {
        "new": [name for name in now if name not in before],
        "gone": [name for name in before if name not in now],
        "of another kind": [n for n in now if n in before and now[n] != before[n]],
    }
    changed = [f"{what} ({some(names)})" for what, names in changes.items() if names]
    if changed:
        raise UserError(
            f"{config.data.source}: since version {champion.version} of {config.registered_model} columns are"
            f" {', '.join(changed)}, which data.policy strict refuses: SET=\"data.policy=fix\""
        )


def compare(
    client: Any, run: runs.Run, config: TrainConfig, dataset: Dataset, predictions: Predictions
) -> Comparison:
    """Compare a run, by its `predictions` of the test set, with the champion of its registered model.

    Another seed, test size or set of columns changes the split, and a model scores better on rows that it was trained on,
    on others of their groups, and on earlier ones: such rows are left out.

    Raises:
        UserError: The champion cannot be read.
    """
    champion = runs.champion(client, config.registered_model)
    if champion is None:
        return Comparison(why_not="no champion yet")
    version = str(champion.version)
    if champion.run_id == run.run_id:
        return Comparison(version, "is the champion")
    name = f"version {version}"
    try:
        its_run = runs.find(client, champion.run_id)
        stored = runs.load_model(its_run)
    except CannotLoadError:
        return Comparison(version, f"not compared: {name} cannot be loaded here")
    except UserError as error:
        raise UserError(
            f"the champion, {name} of {config.registered_model}, cannot be read: {error};"
            f" restore it, or take the alias {CHAMPION!r} from it (make mlflow-ui)"
        ) from error
    if its_run.config.task != config.task or not _takes(stored, dataset):
        return Comparison(version, f"not compared: {name} takes other data")
    new = _new_to(its_run, stored, dataset)
    apart = _apart_from(its_run, config, dataset)
    if new is None or apart is None:
        what = "which rows" if new is None else _UNITS[config.split.by]
        return Comparison(version, f"not compared: {name} has no record of {what} it was fitted on")
    if (new & apart).sum() < _FEWEST_ROWS:
        known = len(new) - (new & apart).sum()
        reason = f"not compared: {name} was fitted on {known} of the {len(new)} test rows"
        if not apart.all():
            reason += f" or {_KIN[config.split.by]}"
        return Comparison(version, reason)
    new &= apart
    return _on_rows(version, stored, config, dataset, predictions, new)


def _takes(stored: StoredModel, dataset: Dataset) -> bool:
    """Return whether a stored model takes these columns, and knows all classes of the test set."""
    kinds = dataset.columns.kinds
    known = getattr(stored.pipeline, "classes_", dataset.test_target)
    same = all(kinds.get(name) == kind for name, kind in stored.columns.kinds.items())
    return same and set(dataset.test_target) <= set(known)


def _new_to(
    its_run: runs.Run, stored: StoredModel, dataset: Dataset
) -> npt.NDArray[np.bool_] | None:
    """Return a mask, shape (test rows,), of the rows that a run was not trained on; None if it has no record of these."""
    fitted = runs.fitted_rows(its_run)
    if fitted is None:
        return None
    as_it_sees_them = dataset.test_rows[list(stored.columns.kinds)]
    known = np.isin(fingerprints(as_it_sees_them, dataset.test_target), fitted)
    return np.asarray(~known, dtype=np.bool_)


def _apart_from(
    its_run: runs.Run, config: TrainConfig, dataset: Dataset
) -> npt.NDArray[np.bool_] | None:
    """Return a mask, shape (test rows,), of the rows of groups that a run was not trained on, or later than its rows.

    If the split is by content, these are all rows. None if the run has no record, because it was split in another way.
    """
    ours, theirs, units = config.split, its_run.config.split, dataset.test_units
    if units is None:
        return np.ones(len(dataset.test_rows), dtype=np.bool_)
    known = (
        runs.fitted_units(its_run) if (ours.by, ours.column) == (theirs.by, theirs.column) else None
    )
    if known is None or known.dtype.kind != units.dtype.kind:
        return None
    return np.asarray(
        units > known.max() if ours.by == "time" else ~np.isin(units, known), dtype=np.bool_
    )


def _on_rows(
    version: str,
    stored: StoredModel,
    config: TrainConfig,
    dataset: Dataset,
    predictions: Predictions,
    mask: npt.NDArray[np.bool_],
) -> Comparison:
    """Compare on the rows of the test set that `mask` selects."""
    rows = dataset.test_rows.loc[mask, list(stored.columns.kinds)]
    names, metric = metric_names(config.task), config.validation.metric
    ours, confidence = predictions.part(mask), config.validation.confidence
    target = dataset.test_target[mask]
    theirs = predict(stored.pipeline, rows, target, config.task, ours.weights)
    found = gains(names, ours, theirs, confidence, config.seed)
    if math.isnan(found[metric].value):
        return Comparison(version, f"not compared: {metric} is not defined on these rows")
    metrics = {name: {"value": value(name, theirs), "gain": vars(found[name])} for name in names}
    return Comparison(version, "", found[metric], int(mask.sum()), metrics)
