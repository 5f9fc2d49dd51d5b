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
from .row_hash import Content
from .settings import DataConfig, TableSettings
from .sources import read
from .split import test_mask
from .target import prepare


@dataclass(frozen=True)
class Dataset:
    """Checked rows: features as data frames in `columns`' types, targets as arrays.

    `task` is classification or regression; `digest` is the SHA-256 of the source's bytes; `train_fingerprints` are those of
    the training set, and `repeated` counts the rows of the test set that have one of them: whose features and target are
    the same. `notes` describe what was inferred from the source without a setting, and which columns split and weigh the
    rows; `left_out` names the columns and rows left out, and why; `target_format` is 1234.5 as the target's texts write
    it, where that was found. `train_units` are the times or groups that `split_column.units` returns, `train_weights` the
    values of data.weight; None without such a column.
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
        """Return how many rows each set has, as the data line, the run and its inputs show it."""
        return f"{len(self.train_rows)} training rows, {len(self.test_rows)} test rows"


def load(config: TableSettings) -> Dataset:
    """Read, check and split the rows that `config` names.

    Raises:
        UserError: The source cannot be read, or checks failed; the sentence lists all of them.
    """
    content = Content()
    notes: list[str] = []
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
    del frame  # large data should be in memory once
    features = policy.without(columns, no_feature)
    chosen, left_out = policy.choose(every, features, prepared, config, errors)
    every = policy.of_target(every, prepared)
    units = split_column.units(every, columns, config)
    weighing = weights.of_rows(every, columns, config)
    rows, target = policy.selected(every, chosen), prepared.values
    del every
    config = config.model_copy(update={"task": prepared.task})
    if units is None:
        # By all columns of the source: leaving one out must not deal the rows anew.
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
    """Return the config for reading: columns that are no features are read even if dropped, and groups are texts."""
    data, name = config.data, config.split.column
    changed = {"drop": [each for each in data.drop if each not in no_feature]}
    if name is not None and config.split.by == "group":
        changed["categorical"] = list(dict.fromkeys([*data.categorical, name]))
    return data.model_copy(update=changed)


def fingerprints(rows: Any, target: Any) -> npt.NDArray[np.uint64]:
    """Return a number for each row, shape (rows,), by its features and its target."""
    whole = rows.assign(**{"": target})
    return np.asarray(pd.util.hash_pandas_object(whole, index=False), dtype=np.uint64)
