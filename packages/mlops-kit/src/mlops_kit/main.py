"""Where a project hands itself over: one command line, and the service, which starts without it."""

from __future__ import annotations

import sys
from io import TextIOWrapper

from mlops_kit.core import project
from mlops_kit.core.errors import ends_in_a_sentence
from mlops_kit.core.project import Project


def run(given: Project) -> None:
    """Run the subcommand on the command line for `given`; `serve` imports nothing but what the image has.

    An import that fails is a fault, and must not end with 1, which is a verdict.
    """
    project.use(given)
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a terminal may know nothing but ASCII
    if sys.argv[1:2] == ["serve"]:
        with ends_in_a_sentence():
            from mlops_kit.serving import server
        server.main(sys.argv[2:])
    else:
        with ends_in_a_sentence():
            from mlops_kit import cli
        cli.main()
