"""Read, check and split the rows that a config names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mlops_kit.core.errors import UserError

from . import checks, policy, problems, split_column, weights
from .columns import Columns
from .kinds import infer
from .notes import Notes
from .row_hash import Content
from .settings import DataConfig, TableSettings
from .sources import read
from .split import test_mask
from .target import prepare


@dataclass(frozen=True)
class Dataset:
    """Checked rows, split into a training set and a test set.

    Features are data frames in `columns`' types; targets, units and weights are arrays of shape (rows,). `task` is
    classification or regression; `digest` is the SHA-256 of the source's bytes, or of a query's result.
    `train_fingerprints` are the hashes of the training rows, shape (rows,), and `repeated` counts the test rows that
    duplicate one of them, features and target. `notes` describe what was inferred without a setting, and which columns
    split and weight the rows; `left_out` names the columns and rows left out, and why. `target_format` is 1234.5 as the
    target's strings write it, if that was inferred. Units are the times or groups that `split_column.units` returns,
    weights the values of data.weight; both are None without such a column.
    """

    columns: Columns
    train_rows: Any
    train_target: Any
    test_rows: Any
    test_target: Any
    digest: str
    train_fingerprints: npt.NDArray[np.uint64]
    repeated: int
    task: str
    notes: list[str]
    left_out: list[str]
    target_format: str | None = None
    train_units: npt.NDArray[Any] | None = None
    test_units: npt.NDArray[Any] | None = None
    train_weights: weights.Weights | None = None
    test_weights: weights.Weights | None = None

    def sizes(self) -> str:
        """Return how many rows each set has, as a text for the console and for the run's tags and inputs."""
        return f"{len(self.train_rows)} training rows, {len(self.test_rows)} test rows"


def load(config: TableSettings) -> Dataset:
    """Read, check and split the rows that `config` names.

    Raises:
        UserError: The source cannot be read, or checks failed; the message lists all of them.
    """
    content = Content()
    notes = Notes()
    no_feature = checks.no_features(config)
    config = config.model_copy(update={"data": _as_read(config, no_feature)})
    frame, digest = read(config.data, content, notes)
    checks.check_names(content.names, config, no_feature)
    frame.columns = [str(name) for name in frame]
    columns, errors = infer(frame.drop(columns=config.data.target), config.data, notes)
    try:
        every, prepared = columns.coerce(frame), prepare(frame[config.data.target], config, notes)
    except UserError as error:
        raise problems.with_columns(error, config.data, errors) from None
    del frame  # large data should be in memory only once
    features = policy.without(columns, no_feature)
    chosen, left_out = policy.choose(every, features, prepared, config, errors)
    every = policy.of_target(every, prepared)
    units = split_column.units(every, columns, config)
    weighing = weights.of_rows(every, columns, config)
    rows, target = policy.selected(every, chosen), prepared.values
    del every
    config = config.model_copy(update={"task": prepared.task})
    if units is None:
        # By the hash of all columns of the source: leaving one out must not change the split.
        test = test_mask(content.only(prepared.kept), target, config)
    else:
        test = split_column.test_mask(units, target, config)
        notes.append(split_column.note(units, test, config))
    if weighing is not None:
        for part, mask in (("the training set", ~test), ("the test set", test)):
            weights.check_part(weighing[mask], target[mask], part, config)
        notes.append(f"rows count by {config.data.weight}")
    numbers = fingerprints(rows, target)
    return Dataset(
        columns=chosen,
        train_rows=rows[~test].reset_index(drop=True),
        train_target=target[~test],
        test_rows=rows[test].reset_index(drop=True),
        test_target=target[test],
        digest=digest,
        train_fingerprints=numbers[~test],
        repeated=int(np.isin(numbers[test], numbers[~test]).sum()),
        task=prepared.task,
        notes=notes,
        left_out=left_out + prepared.left_out,
        target_format=prepared.written,
        train_units=None if units is None else units[~test],
        test_units=None if units is None else units[test],
        train_weights=None if weighing is None else weighing[~test],
        test_weights=None if weighing is None else weighing[test],
    )


def _as_read(config: TableSettings, no_feature: set[str]) -> DataConfig:
    """Return the config for reading: columns in `no_feature` are read even if dropped, and groups are read as strings."""
    data, name = config.data, config.split.column
    changed = {"drop": [each for each in data.drop if each not in no_feature]}
    if name is not None and config.split.by == "group":
        changed["categorical"] = list(dict.fromkeys([*data.categorical, name]))
    return data.model_copy(update=changed)


def fingerprints(rows: Any, target: Any) -> npt.NDArray[np.uint64]:
    """Return a hash of the features and the target of each row, shape (rows,)."""
    whole = rows.assign(**{"": target})
    return np.asarray(pd.util.hash_pandas_object(whole, index=False), dtype=np.uint64)
