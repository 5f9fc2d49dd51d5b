"""Where a project hands itself over: one command line, and the service, which starts without it."""

from __future__ import annotations

import sys

from mlops_kit.core import project
from mlops_kit.core.project import Project


def run(given: Project) -> None:
    """Run the subcommand on the command line for `given`; `serve` imports nothing but what the image has."""
    project.use(given)
    if sys.argv[1:2] == ["serve"]:
        from mlops_kit.serving.server import main

        main(sys.argv[2:])
    else:
        from mlops_kit import cli

        cli.main()
