"""Where a project hands itself over: one command line, and the service, which starts without it."""

from __future__ import annotations

import sys
from io import TextIOWrapper

from mlops_kit.core import project
from mlops_kit.core.errors import exit_on_error
from mlops_kit.core.project import Project


def run(given: Project) -> None:
    """Run the subcommand on the command line for `given`; `serve` imports nothing but what the image has.

    With --ship it runs the shipper beside the service, which loads no model.
    An import that fails is a fault, and must not exit with 1, which means a failed check.
    """
    project.use(given)
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a terminal may take ASCII alone
    if sys.argv[1:] == ["serve", "--ship"]:
        from mlops_kit.serving import shipper

        shipper.main()
    elif sys.argv[1:2] == ["serve"]:
        with exit_on_error():
            from mlops_kit.serving import server
        server.main(sys.argv[2:])
    else:
        with exit_on_error():
            from mlops_kit import cli
        cli.main()
