"""Rows, from their source to the two parts of the split."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..config import TrainConfig
from ..errors import UserError
from . import checks
from .columns import Columns, infer
from .sources import read
from .split import held_out

__all__ = ["Columns", "Dataset", "load"]


@dataclass(frozen=True)
class Dataset:
    """Checked rows: features as data frames in `columns`' types, targets as arrays.

    `digest` is the SHA-256 of the source's bytes; `copies` counts the rows that repeat another.
    """

    columns: Columns
    train_rows: Any
    train_target: Any
    test_rows: Any
    test_target: Any
    digest: str
    copies: int


def load(config: TrainConfig) -> Dataset:
    """Read, check and split the rows that `config` names.

    Raises:
        UserError: The source cannot be read, or a check failed; the sentence tells all of them.
    """
    frame, digest = read(config.data)
    checks.check_names(frame, config)
    frame = frame.drop(columns=config.data.drop)
    features = frame.drop(columns=config.data.target)
    columns = infer(features, config.data)
    rows = columns.coerce(features)
    target = checks.check_target(frame[config.data.target], config)
    checks.check_rows(rows, columns, target, config)
    if config.validation.slices and config.validation.slices.column not in rows:
        raise UserError(
            f"validation.slices.column is {config.validation.slices.column!r}, which is no feature"
            f" of {config.data.source}"
        )
    test = held_out(rows, target, config)
    return Dataset(
        columns=columns,
        train_rows=rows[~test].reset_index(drop=True),
        train_target=target[~test],
        test_rows=rows[test].reset_index(drop=True),
        test_target=target[test],
        digest=digest,
        copies=int(rows.assign(**{"": target}).duplicated().sum()),
    )
