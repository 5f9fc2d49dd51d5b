"""The options that several subcommands share; an empty MODEL means the champion of the model that CONFIG trains."""

from pathlib import Path
from typing import Annotated

import typer

from .settings import TRAIN

ConfigPath = Annotated[Path, typer.Option("--config", envvar="CONFIG", help="The settings.")]
Overrides = Annotated[
    str, typer.Option("--set", envvar="SET", help="key=value …, over the settings.")
]
Model = Annotated[str, typer.Option(envvar="MODEL", help="name@alias; default: champion.")]
CONFIG = TRAIN
