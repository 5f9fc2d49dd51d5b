"""`make quality-gates` against the tools that it consists of, one after another on the same tree."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from generated import generate
from measure import BenchError, Comparison, Side, run
from parts import BASE, ROOT, quote

CACHES = (".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis", ".cache")


def gates(scratch: Path, runs: int) -> list[Comparison]:
    """The gates of a generated project, with full and with empty caches, and those of the reference itself."""
    project = generate(scratch)
    run(f"make install-dev PYTHON={quote(BASE)}", project)
    cold = _compared("gates-cold", project, runs, lambda: empty_caches(project))
    cold.warm_up = (
        False  # the project's other comparison, which comes first, has warmed the machine up
    )
    cold.note = (
        "the same, each run without .mypy_cache, .ruff_cache, .pytest_cache, .hypothesis, black's cache and __pycache__"
        " (the tools in .venv stay compiled)"
    )
    return [
        _compared("gates", project, runs),
        cold,
        _compared("gates-reference", ROOT, runs),
    ]


def empty_caches(project: Path) -> None:
    """Remove what the gates keep from one run to the next, but for .venv."""
    for cache in (*(project / name for name in CACHES), *_compiled(project)):
        shutil.rmtree(cache, ignore_errors=True)


def _compiled(project: Path) -> list[Path]:
    return [path for path in project.rglob("__pycache__") if ".venv" not in path.parts]


def _compared(
    name: str, folder: Path, runs: int, before: Callable[[], object] = lambda: None
) -> Comparison:
    own = {"BLACK_CACHE_DIR": str(folder / ".cache/black")}
    whose = "this repository, `packages/` included" if folder == ROOT else "a generated project"
    return Comparison(
        name=name,
        ours=Side("make quality-gates", ["make quality-gates"], folder, own, before),
        peer=Side("one after another", _commands(folder), folder, own, before),
        aim=1.0,
        runs=runs,
        note=f"`make quality-gates` of {whose} against the commands that `make --dry-run` shows, one after another;"
        " both with the tools' caches filled",
    )


def _commands(folder: Path) -> list[str]:
    """Return the commands that the gates would run, and leave out what is make's own."""
    shown = run("make --dry-run quality-gates", folder).replace("\\\n", " ")
    commands = [line.strip() for line in shown.splitlines() if line.strip()]
    kept = [line for line in commands if not _is_makes_own(line)]
    if not kept:
        raise BenchError(
            "`make --dry-run quality-gates` shows no command; run `make bench` again after `make install-dev`"
        )
    return kept


def _is_makes_own(line: str) -> bool:
    """Return whether `line` calls make again, is printed by it ("make[1]: …") or only prints something."""
    program = Path(line.split()[0]).name.rstrip(":").split("[")[0]
    return program in ("make", "gmake", "echo", "printf")
