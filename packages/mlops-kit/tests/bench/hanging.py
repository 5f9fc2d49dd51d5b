"""Our service with a challenger that hangs at its first request, whatever that is; `python -m hanging serve`."""

from mlops_kit.core.project import Project
from mlops_kit.main import run
from mlops_kit.serving.challenger import Challenger


def hang(*_: object) -> None:
    """Never return."""
    while True:
        pass


Challenger.answer = hang
run(Project(name="hanging", package="hanging"))  # its challenger is started by this name
