"""The entry point of a project: it runs the command line, or the service, which does not import the command line."""

from __future__ import annotations

import sys
from io import TextIOWrapper

from mlops_kit.core import project
from mlops_kit.core.errors import exit_on_error
from mlops_kit.core.project import Project


def run(given: Project) -> None:
    """Run the subcommand of `sys.argv` for the project `given`.

    `serve` imports only what the image has; `serve --ship` runs the shipper, which loads no model. A failed import is a
    fault, and must not exit with 1, which means a failed check.
    """
    project.use(given)
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a terminal may accept only ASCII
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
