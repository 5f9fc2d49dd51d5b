"""Put the pipeline of one CI system where that system looks for it, and the one before back into ci/.

`ci/SYSTEM/` mirrors the root, so a pipeline's files keep their names. The project's first choice is made with this, too,
by an interpreter that has nothing installed: standard library only.
"""

from __future__ import annotations

import json
from pathlib import Path

from mlops_kit.core.errors import UserError, did_you_mean

FOLDER = Path("ci")
CRUFT = Path(".cruft.json")

# What each system reads, from the root.
FILES = {
    "github": (
        ".github/workflows/ci.yml",
        ".github/workflows/train.yml",
        ".github/workflows/deploy.yml",
    ),
    "gitlab": (".gitlab-ci.yml",),
    "jenkins": ("Jenkinsfile",),
    "circleci": (".circleci/config.yml",),
    "azure": ("azure-pipelines.yml",),
}


def switch(system: str) -> list[Path]:
    """Move the pipeline of `system` into its place, those of all others into ci/; return what is in place.

    Raises:
        UserError: There is no such system, or one of the files is in neither or in both places.
    """
    if system not in FILES:
        raise UserError(
            f"TO is {system!r}; accepted: {', '.join(FILES)}{did_you_mean(system, FILES)}"
        )
    moves = [
        move
        for other, names in FILES.items()
        for name in names
        for move in _moves(other, Path(name), other == system)
    ]
    for source, target in moves:
        target.parent.mkdir(parents=True, exist_ok=True)
        source.replace(target)
        _remove_empty(source.parent)
    _note(system)
    return [Path(name) for name in FILES[system]]


def _moves(system: str, name: Path, in_place: bool) -> list[tuple[Path, Path]]:
    kept = FOLDER / system / name
    found = [path for path in (name, kept) if path.exists()]
    if len(found) != 1:
        where = "in both places" if found else "in neither place"
        raise UserError(f"{name} is {where}, the root and {kept.parent}: one of them is needed")
    target = name if in_place else kept
    return [] if found == [target] else [(found[0], target)]


def _remove_empty(folder: Path) -> None:
    while folder != Path() and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent


def _note(system: str) -> None:
    """Let updates of the project know the new answer."""
    if CRUFT.exists():
        state = json.loads(CRUFT.read_text(encoding="utf-8"))
        for answers in state["context"].values():
            answers["ci"] = system
        CRUFT.write_text(json.dumps(state, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
