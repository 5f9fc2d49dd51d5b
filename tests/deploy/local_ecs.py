"""The emulator of ENV=local with an account in it, as `make local-up` makes it."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from ecs_local.testing import Emulator

from ml_template import __main__ as command_line
from ml_template.deployment import local_account

REGION = "eu-west-1"
PACKAGE = command_line.__package__


class LocalEcs(Emulator):
    """An emulator that the deployer can deploy to."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, region=REGION)
        sources = (*Path(command_line.__file__).parents[1:2], self.variables["PYTHONPATH"])
        self.variables["PYTHONPATH"] = os.pathsep.join(map(str, sources))

    def start(self) -> LocalEcs:
        """Start it, and make what Terraform makes in an account."""
        super().start()
        done = self.command("run", sys.executable, "-m", PACKAGE, "local-account")
        assert done.returncode == 0, done.stderr
        return self

    @property
    def contract(self) -> dict:
        """What Terraform tells the deployer."""
        found = self.client("ssm").get_parameter(Name=local_account.PARAMETER)
        return json.loads(found["Parameter"]["Value"])
