"""Pass the project to the kit's command line, which the Makefile calls: `python -m ml_template train`."""

from mlops_kit.core.project import Project
from mlops_kit.main import run

PROJECT = Project(
    name="ml-template",
    package="ml_template",
)

if __name__ == "__main__":
    run(PROJECT)
