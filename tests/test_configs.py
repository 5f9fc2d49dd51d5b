"""The files in configs/: each is accepted, and they fit together."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mlops_kit.config_files import KINDS
from mlops_kit.core.config import load
from mlops_kit.core.errors import UserError
from mlops_kit.data import Columns
from mlops_kit.experiments.pipeline import build
from mlops_kit.experiments.search.settings import SEARCH, SearchConfig
from mlops_kit.experiments.settings import METRICS, TrainConfig, metric_names

ROOT = Path(__file__).parents[1]
ROWS = pd.DataFrame({"age": [0.0, 1.0]})
FILES = sorted([*ROOT.glob("configs/*.yaml"), *ROOT.glob("configs/deploy/*.yaml")])
# A file that is not listed is for CONFIG=…: the settings of another model.
SETTINGS = {
    file: KINDS.get(file.relative_to(ROOT)) or KINDS.get(file.parent.relative_to(ROOT), TrainConfig)
    for file in FILES
}
TRAIN_FILES = [file for file in FILES if SETTINGS[file] is TrainConfig]


def name_of(file):
    return str(file.relative_to(ROOT / "configs"))


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_config_is_accepted(file):
    assert load(SETTINGS[file], file)


def decided(file):
    """The settings for the task that they fit; under `task: auto` the target decides, whose data may not be here."""
    config, refused = load(TrainConfig, file), None
    for task in METRICS if config.task == "auto" else [config.task]:
        try:
            its_config = config.for_task(task)
            build(its_config, Columns({"age": "numeric"}), ROWS, np.array([0, 1]))
            return its_config
        except UserError as error:
            refused = refused or error
    raise refused


@pytest.mark.parametrize("file", TRAIN_FILES, ids=name_of)
def test_model_parameters_and_metrics_exist(file):
    config, search = decided(file), load(SearchConfig, ROOT / SEARCH)
    metrics = metric_names(config.task)
    assert config.validation.metric in metrics
    assert search.metric is None or search.metric in metrics
