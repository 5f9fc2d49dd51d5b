"""Read, check and split the rows that a config names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from . import checks
from .columns import Columns, infer
from .row_hash import Content
from .settings import TableSettings
from .sources import read
from .split import held_out


@dataclass(frozen=True)
class Dataset:
    """Checked rows: features as data frames in `columns`' types, targets as arrays.

    `digest` is the SHA-256 of the source's bytes; `train_fingerprints` are those of the rows to fit on, and `repeated`
    counts the held-out rows that have one of them: whose features and target are the same.
    """

    columns: Columns
    train_rows: Any
    train_target: Any
    test_rows: Any
    test_target: Any
    digest: str
    train_fingerprints: npt.NDArray[np.uint64]
    repeated: int


def load(config: TableSettings) -> Dataset:
    """Read, check and split the rows that `config` names.

    Raises:
        UserError: The source cannot be read, or a check failed; the sentence tells all of them.
    """
    content = Content()
    frame, digest = read(config.data, content)
    checks.check_names(content.names, config)
    frame.columns = [str(name) for name in frame]
    columns = infer(frame.drop(columns=config.data.target), config.data)
    rows, target = columns.coerce(frame), frame[config.data.target]
    del frame  # what is large should be there once
    target = checks.check_target(target, config)
    checks.check_rows(rows, columns, target, config)
    # By all columns of the source: leaving one out must not deal the rows anew.
    test = held_out(content, target, config)
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
    )


def fingerprints(rows: Any, target: Any) -> npt.NDArray[np.uint64]:
    """Return a number for each row, shape (rows,), by its features and its target."""
    whole = rows.assign(**{"": target})
    return np.asarray(pd.util.hash_pandas_object(whole, index=False), dtype=np.uint64)
