"""A project as a team gets it: generated with the default answers."""

from __future__ import annotations

from pathlib import Path

from measure import BenchError, run
from parts import BIN, ROOT, quote

# No part of the lock, so uv brings it, as the template's tests have it.
COOKIECUTTER = f"{quote(BIN / 'uv')} tool run --quiet --constraints tests/template/requirements.txt cookiecutter"


def generate(scratch: Path) -> Path:
    """Make a project in `scratch` and return its folder; it has no .venv yet.

    Raises:
        BenchError: cookiecutter cannot be fetched, or the template refuses.
    """
    print("a generated project …", flush=True)
    try:
        run(f"{COOKIECUTTER} --version", ROOT)
    except BenchError:
        raise BenchError(
            "cookiecutter, which makes the project to measure, is not in the lock and could not be fetched by"
            f" `{COOKIECUTTER}`; see above"
        ) from None
    run(f"{COOKIECUTTER} . --no-input --output-dir {quote(scratch)}", ROOT)
    (project,) = (path.parent for path in scratch.glob("*/Makefile"))
    return project
