"""An AWS on this machine, a checkout with all of infra/, and the two applied to each other."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from ecs_local.testing import Emulator

from ml_template.__main__ import PROJECT

from ..deploy.conftest import models  # noqa: F401 # a fixture
from ..deploy.local_ecs import PACKAGE, REGION, ROOT, SOURCES
from ..deploy.site import Outcome

PATIENCE = 900  # seconds until a Terraform that must end counts as one that never does
_INIT = "TF_CLI_ARGS_init"  # Terraform's own name
_MIRRORS = (
    "~/.terraform.d/plugins",
    "/usr/share/terraform/plugins",
    "/usr/local/share/terraform/plugins",
    "/opt/*",
)


@pytest.fixture(scope="session")
def init_options() -> str:
    """What TF_CLI_ARGS_init has to be, so that Terraform finds its provider."""
    program = os.environ.get("TERRAFORM") or "terraform"
    if shutil.which(program) is None:
        _cannot(f"{program} is not on the PATH")
    if _INIT in os.environ:
        return os.environ[_INIT]
    for pattern in _MIRRORS:
        expanded = Path(pattern).expanduser()
        for folder in sorted(Path("/").glob(str(expanded)[1:])):
            if (folder / "registry.terraform.io/hashicorp/aws").is_dir():
                return f"-plugin-dir={folder}"
    return ""  # from the registry, as everybody has it


def _cannot(reason: str) -> None:
    if os.environ.get("REQUIRE_TERRAFORM"):
        pytest.fail(f"REQUIRE_TERRAFORM is set, and {reason}")
    pytest.skip(f"NOTHING OF infra/ WAS APPLIED: {reason}")


class Checkout:
    """A checkout from which infrastructure is made in the emulator, as make does it."""

    def __init__(self, folder: Path, emulator: Emulator, init_options: str) -> None:
        self.folder = folder
        kept = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
        self._variables = {
            **kept,
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ENDPOINT_URL": emulator.url,
            "AWS_MAX_ATTEMPTS": "3",  # what moto does not know would otherwise be asked for 25 times
            "PYTHONPATH": SOURCES,
        }
        if init_options:
            self._variables[_INIT] = init_options

    def run(self, command: str, name: str, **variables: str) -> Outcome:
        """Run one of the infra-… subcommands for ENV=`name`; print how long it took."""
        start = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-m", PACKAGE, command],
            cwd=self.folder,
            env={**self._variables, "ENV": name, **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE,
        )
        print(f"{command} {name}: {time.monotonic() - start:.0f} s")
        return Outcome(done.returncode, done.stdout)

    def must(self, command: str, name: str, **variables: str) -> str:
        """Run it; it has to work."""
        done = self.run(command, name, **variables)
        assert done.code == 0, done.out[-8000:]
        return done.out

    def changes(self, name: str) -> list[dict]:
        """Plan, and return the changes that the report has."""
        self.must("infra-plan", name)
        return json.loads((self.folder / "reports/infra-plan.json").read_text())["changes"]


@pytest.fixture(scope="session")
def emulator(init_options, tmp_path_factory) -> Iterator[Emulator]:
    """An account with nothing in it, but the key that somebody made by hand."""
    running = Emulator(tmp_path_factory.mktemp("aws"), region=REGION)
    running.start()
    yield running
    running.stop()


@pytest.fixture(scope="session")
def checkout(emulator, init_options, tmp_path_factory) -> Checkout:
    """A checkout whose staging requires an API key, has an address for alarms, and leaves a last snapshot of its database."""
    folder = tmp_path_factory.mktemp("checkout")
    shutil.copytree(ROOT / "configs", folder / "configs")
    left = shutil.ignore_patterns(".terraform", "*.tfstate*", "*_override.tf", "__pycache__")
    shutil.copytree(ROOT / "infra", folder / "infra", ignore=left)
    made = emulator.client("secretsmanager").create_secret(
        Name=f"{PROJECT.name}/staging/api-key", SecretString="0123456789abcdef"
    )
    settings = folder / "configs/infra/staging.yaml"
    staging = yaml.safe_load(settings.read_text())
    staging["secrets"] = {"API_KEY": made["ARN"]}
    staging["alert_emails"] = ["team@example.com"]
    staging["database"]["last_snapshot"] = True
    settings.write_text(yaml.safe_dump(staging))
    return Checkout(folder, emulator, init_options)


@pytest.fixture(scope="session")
def account(checkout) -> Checkout:
    """The checkout, after everything that staging needs was applied."""
    for name in ("bootstrap", "shared", "staging"):
        checkout.must("infra-apply", name, AUTO_APPROVE="1")
    return checkout
