"""The files in configs/: the settings class of each, and the subcommand that checks them all."""

from __future__ import annotations

from pathlib import Path

import typer
from pydantic import BaseModel

from mlops_kit.ci.settings import CI_PRICES, CiPricesConfig
from mlops_kit.core.config import load
from mlops_kit.core.console import echo
from mlops_kit.core.errors import UserError
from mlops_kit.delivery.deploy.settings import DEPLOY, DeployConfig
from mlops_kit.experiments.search.settings import SEARCH, SearchConfig
from mlops_kit.experiments.settings import MODEL_CARD, TRAIN, ModelCardConfig, TrainConfig
from mlops_kit.monitoring.settings import MONITOR, MonitorConfig
from mlops_kit.serving.settings import SERVE, ServeConfig

app = typer.Typer()

# The settings class of each file in configs/; DEPLOY is a folder of such files, one for each environment.
KINDS: dict[Path, type[BaseModel]] = {
    TRAIN: TrainConfig,
    SERVE: ServeConfig,
    DEPLOY: DeployConfig,
    CI_PRICES: CiPricesConfig,
    MODEL_CARD: ModelCardConfig,
    MONITOR: MonitorConfig,
    SEARCH: SearchConfig,
}


@app.command("config-check")
def config_check() -> None:
    """Print the errors in configs/, a line for each file; exit 2 if there are any."""
    wrong = []
    for path, kind in KINDS.items():
        for file in sorted(path.glob("*.yaml")) if path.is_dir() else [path]:
            try:
                load(kind, file)
            except UserError as error:
                wrong.append(str(error))
    for sentence in wrong:
        echo(sentence)
    if wrong:
        raise typer.Exit(2)
