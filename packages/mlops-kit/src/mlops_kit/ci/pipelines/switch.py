"""Put the pipeline of one CI system in place, and remove the previous one.

systems/SYSTEM/PROFILE/ mirrors the project's root. Its files are the same in every project; the profile, the Python
versions and the region come from the Makefile when they are copied. The generation of a project uses this module, too,
with an interpreter that has nothing installed: standard library only.
"""

from __future__ import annotations

import itertools
import json
import os
import re
from pathlib import Path

from mlops_kit.core.errors import UserError, did_you_mean
from mlops_kit.core.files import write_text

FOLDER = Path(__file__).with_name("systems")
SYSTEMS = ("github", "gitlab", "jenkins", "circleci", "azure")
PROFILES = ("full", "service", "model")
CRUFT = Path(".cruft.json")

_PYTHONS = re.compile(r'"3\.\d+"(, "3\.\d+")+')  # the list of the gates' matrix
_REGION = "'REGION'"


def switch(system: str) -> list[Path]:
    """Write the pipeline of `system`, remove those of all others from the root; return the written files.

    Raises:
        UserError: There is no such system or profile, a file that would be replaced or removed was edited, or the
            Makefile lacks a variable that the pipelines need.
    """
    if system not in SYSTEMS:
        raise UserError(_refusal("TO", system, SYSTEMS))
    profile = _makefile("PROFILE")
    if profile not in PROFILES:
        raise UserError(f"Makefile: {_refusal('PROFILE', profile, PROFILES)}")
    known = written()
    placed = [path for path in known if path.exists()]
    edited = [
        str(path)
        for path in placed
        if path.read_text(encoding="utf-8", errors="replace") not in known[path]
    ]
    if edited:
        raise UserError(
            f"{', '.join(edited)}: not as make ci-switch writes it, and it would be lost; "
            f"when its last state is committed: git rm {' '.join(edited)}"
        )
    wanted = pipeline(system, profile)
    for path in placed:
        if path not in wanted:
            path.unlink()
            _remove_empty(path.parent)
    for path, text in wanted.items():
        write_text(path, text)
    _note(system)
    return list(wanted)


def written() -> dict[Path, set[str]]:
    """Return the path of every pipeline file, and the texts that it may have if nobody edited it."""
    texts: dict[Path, set[str]] = {}
    for system, profile in itertools.product(SYSTEMS, PROFILES):
        for path, text in pipeline(system, profile).items():
            texts.setdefault(path, set()).add(text)
    return texts


def pipeline(system: str, profile: str) -> dict[Path, str]:
    """Return the files of `system`, by their path in the project, with the Makefile's values filled in.

    Raises:
        UserError: The kit has no files of this system, or the Makefile has no PYTHONS or no PROJECT_REGION.
    """
    folder = FOLDER / system / profile
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    if not files:
        shown = os.path.relpath(folder)
        raise UserError(f"{shown} has no files: git checkout {shown} brings them back")
    pythons = ", ".join(f'"{version}"' for version in reversed(_makefile("PYTHONS").split()))
    region = f"'{_makefile('PROJECT_REGION')}'"
    texts = {path.relative_to(folder): path.read_text(encoding="utf-8") for path in files}
    return {
        path: _PYTHONS.sub(pythons, text).replace(_REGION, region) for path, text in texts.items()
    }


def _refusal(variable: str, value: str, accepted: tuple[str, ...]) -> str:
    closest = did_you_mean(value, accepted)
    return f"{variable} is {value!r}; accepted: {', '.join(accepted)}{closest}"


def _makefile(variable: str) -> str:
    """Return the value of a variable in the Makefile."""
    text = Path("Makefile").read_text(encoding="utf-8")
    found = re.search(rf"^(?:export )?{variable} [:?]?= *(\S.*)$", text, re.MULTILINE)
    if not found:
        raise UserError(f"Makefile has no line {variable} := …, which the pipelines are made with")
    return found[1].strip()


def _remove_empty(folder: Path) -> None:
    while folder != Path() and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent


def _note(system: str) -> None:
    """Record the new CI system in .cruft.json, for updates of the project."""
    if CRUFT.exists():
        state = json.loads(CRUFT.read_text(encoding="utf-8"))
        for answers in state["context"].values():
            answers["ci"] = system
        CRUFT.write_text(json.dumps(state, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
