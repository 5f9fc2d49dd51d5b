"""The entry point of a project: it runs the command line, or the service, which does not import the command line."""

from __future__ import annotations

import atexit
import gc
import sys
from io import TextIOWrapper

from mlops_kit.core import project
from mlops_kit.core.errors import exit_on_error
from mlops_kit.core.project import Project

# A command imports 300,000 objects, which stay. At Python's own threshold the garbage collector goes through them again and
# again, for a tenth to a fifth of the command's time, and finds little. So it runs seldom, and not at all in short commands.
_GC_THRESHOLD = 20_000  # allocations between two collections
_SHORT = ("export", "promote", "register")


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
        gc.set_threshold(0 if sys.argv[1:] and sys.argv[1] in _SHORT else _GC_THRESHOLD)
        # Else it goes through all objects twice more when the process exits, for half a second.
        atexit.register(gc.freeze)
        with exit_on_error():
            from mlops_kit import cli
        cli.main()
