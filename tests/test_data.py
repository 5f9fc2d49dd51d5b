"""The rows that configs/train.yaml names, and their split."""

import numpy as np
import pandas as pd
import pytest

from ml_template.data import load


@pytest.fixture(scope="module")
def dataset(config):
    return load(config)


def test_both_sets_have_every_class(config, dataset):
    train, test = set(dataset.train_target), set(dataset.test_target)
    assert min(len(train), len(test)) > 1
    if config.task == "classification":
        assert train == test


def test_no_row_is_in_both_sets(config, dataset):
    # Rows that differ only in a dropped column may be: `make train` counts them.
    assert dataset.repeated == 0 or config.data.drop


def test_both_sets_have_the_same_columns(dataset):
    assert list(dataset.train_rows) == list(dataset.test_rows) == list(dataset.columns.kinds)
    assert dataset.train_rows.dtypes.equals(dataset.test_rows.dtypes)


def test_target_is_not_a_feature(config, dataset):
    assert config.data.target not in dataset.columns.kinds


def test_same_seed_gives_same_split(config, dataset):
    again = load(config)
    pd.testing.assert_frame_equal(again.test_rows, dataset.test_rows)
    np.testing.assert_array_equal(again.test_target, dataset.test_target)
