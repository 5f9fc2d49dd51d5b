"""Where the rows come from. The kit reads what configs/train.yaml names, a query too; a join of your own goes here."""

from __future__ import annotations

from mlops_kit import data
from mlops_kit.data import Dataset
from mlops_kit.data.settings import TableSettings


def load(config: TableSettings) -> Dataset:
    """Return checked rows, split into a training set and a test set.

    Raises:
        UserError: The source cannot be read, or a check failed.
    """
    return data.load(config)
