"""Read, check and split the rows that a config names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mlops_kit.core.errors import UserError

from . import checks, policy, problems
from .columns import Columns
from .kinds import infer
from .row_hash import Content
from .settings import TableSettings
from .sources import read
from .split import held_out
from .target import prepare


@dataclass(frozen=True)
class Dataset:
    """Checked rows: features as data frames in `columns`' types, targets as arrays.

    `task` is classification or regression; `digest` is the SHA-256 of the source's bytes; `train_fingerprints` are those of
    the rows to fit on, and `repeated` counts the held-out rows that have one of them: whose features and target are the
    same. `notes` say what was made of the source's texts without being told, and `left_out` which of its columns and rows
    are not among these, and why; `target_format` is 1234.5 as the target's texts write it, where that was found.
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


def load(config: TableSettings) -> Dataset:
    """Read, check and split the rows that `config` names.

    Raises:
        UserError: The source cannot be read, or a check failed; the sentence tells all of them.
    """
    content = Content()
    notes: list[str] = []
    frame, digest = read(config.data, content, notes)
    checks.check_names(content.names, config)
    frame.columns = [str(name) for name in frame]
    columns, errors = infer(frame.drop(columns=config.data.target), config.data, notes)
    try:
        rows, prepared = columns.coerce(frame), prepare(frame[config.data.target], config, notes)
    except UserError as error:
        raise problems.with_columns(error, config.data, errors) from None
    del frame  # what is large should be there once
    columns, left_out = policy.choose(rows, columns, prepared, config, errors)
    rows, target = policy.selected(rows, columns, prepared), prepared.values
    # By all columns of the source: leaving one out must not deal the rows anew.
    config = config.model_copy(update={"task": prepared.task})
    test = held_out(content.only(prepared.kept), target, config)
    numbers = fingerprints(rows, target)
    return Dataset(
        columns=columns,
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
    )


def fingerprints(rows: Any, target: Any) -> npt.NDArray[np.uint64]:
    """Return a number for each row, shape (rows,), by its features and its target."""
    whole = rows.assign(**{"": target})
    return np.asarray(pd.util.hash_pandas_object(whole, index=False), dtype=np.uint64)
