"""Check the Terraform without an account: format, validity, its own tests, and checkov."""

from __future__ import annotations

import tempfile
from pathlib import Path

from mlops_kit.core.console import step

from . import cli
from .roots import BOOTSTRAP, ENVIRONMENT, FOLDER, SHARED

_ROOTS = (BOOTSTRAP, SHARED, ENVIRONMENT)


def check(checkov: Path) -> None:
    """Run all checks; their findings go to stdout and stderr.

    Raises:
        UserError: Terraform is missing, or a check failed.
    """
    program, plain = cli.program(), cli.plain()
    with step("format"):
        cli.run([program, "fmt", "-check", "-diff", "-recursive"], FOLDER)
    # In data folders of their own, not infra-apply's: without a backend they need no credentials.
    with tempfile.TemporaryDirectory() as folder:
        for name in _ROOTS:
            where = {"TF_DATA_DIR": f"{folder}/{name}", "TF_IN_AUTOMATION": "1"}
            with step(f"{name}: valid, tests"):
                arguments = ("init", *plain, "-backend=false", "-input=false")
                cli.run([program, *arguments], FOLDER / name, where, quiet=True)
                cli.run([program, "validate", *plain], FOLDER / name, where)
                cli.run([program, "test", *plain], FOLDER / name, where)
    with step("checkov"):
        cli.run([str(checkov), *_checkov()], Path())


def _checkov() -> list[str]:
    # Accepted findings are marked, with their reason, in the Terraform itself.
    return [
        "--directory",
        str(FOLDER),
        "--framework",
        "terraform",
        "--skip-download",  # of guidelines from its vendor's server
        "--quiet",
        "--compact",
    ]
