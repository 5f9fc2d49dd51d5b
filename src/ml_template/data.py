"""Load the data. The kit reads the source that configs/train.yaml names, also a query; add a join of your own here."""

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
