"""What is measured, and against what."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path

from measure import Comparison, Side

BENCH = Path(__file__).resolve().parent
ROOT = BENCH.parents[3]
BIN = ROOT / ".venv" / "bin"
PYTHON = shlex.quote(str(BIN / "python"))

# The interpreter that .venv was made from, so that both sides begin with the same one.
BASE = Path(sys.base_prefix) / "bin" / "python{}.{}".format(*sys.version_info)


def install(scratch: Path, runs: int) -> list[Comparison]:
    """The first `make install` on a machine against a bare `uv pip install` of the same lock."""
    return [
        Comparison(
            name="install",
            ours=_make_install(scratch, cold=True),
            peer=_bare_uv(scratch, cold=True),
            aim=1.3,
            runs=runs,
            note="`make install` in a fresh copy against `uv venv` and `uv pip install` of the same lock; "
            "both with empty download caches",
            warm_up=False,
        )
    ]


def install_again(scratch: Path, runs: int) -> list[Comparison]:
    """The same where everything has been downloaded before."""
    return [
        Comparison(
            name="install-again",
            ours=_make_install(scratch, cold=False),
            peer=_bare_uv(scratch, cold=False),
            aim=1.3,
            runs=runs,
            note="the same, both with filled download caches",
        )
    ]


def pip(scratch: Path, runs: int) -> list[Comparison]:
    """`make install` against `pip install`: minutes, so measured once."""
    venv = scratch / "pip"
    commands = [
        f"{quote(BASE)} -m venv {quote(venv)}",
        f"{quote(venv / 'bin' / 'pip')} install --quiet -r requirements.txt",
    ]
    return [
        Comparison(
            name="pip",
            ours=_make_install(scratch, cold=True),
            peer=_install(scratch, "plain pip (minutes)", commands, venv, cold=True),
            aim=1.0,
            runs=1,
            note="`make install` in a fresh copy against `python -m venv` and `pip install` of the same lock; "
            "both with empty download caches, measured once",
            warm_up=False,
        )
    ]


def train(scratch: Path, runs: int) -> list[Comparison]:
    """The train command against a process that does nothing but the fit."""
    folder = copy_project(scratch / "project")
    return [
        Comparison(
            name="train",
            ours=Side(
                label="train",
                commands=[f"{PYTHON} -m ml_template train"],
                folder=folder,
                environment={
                    "CONFIG": str(BENCH / "train.yaml"),
                    # Beside nobody's runs. The warm-up creates the store, which is then there for the rest.
                    "MLFLOW_TRACKING_URI": "sqlite:///mlflow.db",
                },
            ),
            peer=Side(
                label="bare fit",
                commands=[f"{PYTHON} {quote(BENCH / 'bare_fit.py')}"],
                folder=folder,
                # With as many rows as these one thread is the fastest: the peer gets the best there is.
                environment={"OMP_NUM_THREADS": "1"},
            ),
            aim=2.5,
            runs=runs,
            note="`python -m ml_template train` on an existing SQLite store against a process that loads the "
            "same rows, holds out the same share and fits the same estimator on one thread; imports included",
        )
    ]


def _make_install(scratch: Path, cold: bool) -> Side:
    project = scratch / "project"
    commands = [f"make install PYTHON={quote(BASE)}"]
    side = _install(scratch, "make install", commands, project, cold)
    side.folder = project
    empty = side.before
    side.before = lambda: (empty(), copy_project(project))
    return side


def _bare_uv(scratch: Path, cold: bool) -> Side:
    uv, venv = quote(BIN / "uv"), scratch / "bare"
    commands = [
        f"{uv} venv --quiet --python {quote(BASE)} {quote(venv)}",
        f"{uv} pip install --quiet --python {quote(venv)} -r requirements.txt",
    ]
    return _install(scratch, "bare uv", commands, venv, cold)


def _install(scratch: Path, label: str, commands: list[str], target: Path, cold: bool) -> Side:
    """Run `commands` with `target` gone and, if `cold`, with nothing downloaded before."""
    caches = scratch / "caches"
    environment = {"UV_CACHE_DIR": str(caches / "uv"), "PIP_CACHE_DIR": str(caches / "pip")}

    def empty() -> None:
        for folder in (target, caches):
            shutil.rmtree(folder, ignore_errors=True)

    return Side(label, commands, ROOT, environment if cold else {}, before=empty)


def copy_project(folder: Path) -> Path:
    """Make `folder` a fresh copy of what the commands read: no .venv, no runs, no data."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in ("Makefile", "pyproject.toml", "requirements.txt", "README.md", "LICENSE"):
        if (ROOT / name).is_file():
            shutil.copy2(ROOT / name, folder / name)
    left = shutil.ignore_patterns("__pycache__", "tests")
    for name in ("src", "packages", "configs", "docker"):
        shutil.copytree(ROOT / name, folder / name, ignore=left)
    return folder


def quote(path: Path) -> str:
    """Return a path as a word of a shell command."""
    return shlex.quote(str(path))
