"""What the bench asks of each real table works: CI does not run it, because its tables take minutes."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mlops_kit.core.project import current
from mlops_kit.experiments import training

BENCH = Path(__file__).parents[1] / "bench"


@pytest.fixture
def disagreements(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCH))
    from three_ways import disagreements as function

    yield function
    del sys.modules["three_ways"]


def test_three_ways_to_predict_are_compared_on_the_test_rows(settings, disagreements):
    draw = np.random.default_rng(0)
    rows = 80
    table = pd.DataFrame(
        {
            "size": draw.normal(size=rows),
            "colour": draw.choice(["red", "007", "NA"], rows),
            "day": pd.date_range("2026-01-01", periods=rows).strftime("%Y-%m-%d"),
            "y": draw.normal(size=rows),
        }
    )
    table.to_csv("data.csv", index=False)
    config = settings("task=regression validation.metric=r2")
    dataset = current().load(config)
    pipeline, _ = training.fit(config, dataset)
    differ, asked = disagreements(config.data, dataset, pipeline, table)
    assert (differ, asked) == (0, rows)
