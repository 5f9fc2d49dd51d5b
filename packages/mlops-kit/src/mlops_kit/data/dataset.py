"""Read, check and split the rows that a config names."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from . import checks, spelling
from .columns import Columns, as_number, infer
from .row_hash import Content
from .settings import DataConfig, TableSettings
from .sources import MEANS_MISSING, read
from .split import held_out


@dataclass(frozen=True)
class Dataset:
    """Checked rows: features as data frames in `columns`' types, targets as arrays.

    `digest` is the SHA-256 of the source's bytes; `notes` say what was made of its texts without being told; `train_fingerprints` are those of the rows to fit on, and `repeated`
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
    notes: list[str] = field(default_factory=list)


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
    columns = infer(frame.drop(columns=config.data.target), config.data, notes)
    rows, target = columns.coerce(frame), frame[config.data.target]
    del frame  # what is large should be there once
    if config.task != "classification":
        target = _as_numbers(target, config.data, notes)
    why = [note for note in notes if note.startswith(MEANS_MISSING)]
    target = checks.check_target(target, config, "".join(why))
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
        notes=notes,
        train_fingerprints=numbers[~test],
        repeated=int(np.isin(numbers[test], numbers[~test]).sum()),
    )


def fingerprints(rows: Any, target: Any) -> npt.NDArray[np.uint64]:
    """Return a number for each row, shape (rows,), by its features and its target."""
    whole = rows.assign(**{"": target})
    return np.asarray(pd.util.hash_pandas_object(whole, index=False), dtype=np.uint64)


def _as_numbers(target: Any, config: DataConfig, notes: list[str]) -> Any:
    """Return the target as numbers where its texts are such in another spelling, and note it."""
    its = spelling.of_numbers(config.target, target, config)
    numbers = as_number(target, its)
    if its == spelling.usual(config) or numbers.notna().sum() < target.notna().sum():
        return target
    notes.append(f"numbers are read in {config.target} as {its}")
    return numbers
