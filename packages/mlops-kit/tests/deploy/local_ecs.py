"""The emulator of ENV=local with an account in it, as `make local-up` makes it."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from ecs_local.testing import Emulator
from mlops_kit.delivery.deploy import local_account

from ml_template.__main__ import PROJECT

REGION = "eu-west-1"
ROOT = Path(__file__).parents[4]
PACKAGE = PROJECT.package
# What a deployer imports: the model's code and the kit's.
SOURCES = os.pathsep.join(str(ROOT / folder) for folder in ("src", "packages/mlops-kit/src"))


class LocalEcs(Emulator):
    """An emulator that the deployer can deploy to."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, region=REGION)
        self.variables["PYTHONPATH"] = os.pathsep.join((SOURCES, self.variables["PYTHONPATH"]))

    def start(self) -> LocalEcs:
        """Start it, and make what Terraform makes in an account."""
        super().start()
        done = self.command("run", sys.executable, "-m", PACKAGE, "local-account")
        assert done.returncode == 0, done.stderr
        return self

    @property
    def contract(self) -> dict:
        """The contract, as Terraform writes it for the deployer."""
        found = self.client("ssm").get_parameter(Name=local_account.parameter())
        return json.loads(found["Parameter"]["Value"])
