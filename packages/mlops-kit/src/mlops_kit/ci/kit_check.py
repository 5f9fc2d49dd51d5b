"""Compare packages/ with the release: edited files conflict with the next update."""

from __future__ import annotations

import hashlib
from pathlib import Path

from mlops_kit.core.errors import UserError

FOLDER = Path("packages")
SUMS = FOLDER / "SHA256SUMS"  # written when the project was generated, and by each update
KIT = "mlops-kit"  # without its folder it is a wheel, whose hash pip has compared with the lock


def differences() -> list[str]:
    """Return a line for each file of packages/ that was changed, removed or added, in the order of their paths.

    A distribution of which no file is left is one line; the kit may be a wheel instead.

    Raises:
        UserError: There is no packages/SHA256SUMS, or it is damaged.
    """
    released, here = _released(), _here()
    left_out = {_distribution(name) for name in released} - {_distribution(name) for name in here}
    found = [f"{FOLDER / name} is missing" for name in sorted(left_out - {KIT})]
    for name in sorted(released.keys() | here.keys()):
        if _distribution(name) in left_out:
            continue
        if name not in here:
            found.append(f"{FOLDER / name} is missing")
        elif name not in released:
            found.append(f"{FOLDER / name} is not part of the release")
        elif here[name] != released[name]:
            found.append(f"{FOLDER / name} differs from the release")
    return found


def _released() -> dict[str, str]:
    try:
        lines = SUMS.read_text(encoding="utf-8").splitlines()
        return {name: digest for digest, name in (line.split("  ", 1) for line in lines)}
    except FileNotFoundError:
        raise UserError(f"{SUMS} not found: it comes with a generated project") from None
    except ValueError:
        raise UserError(f"{SUMS} is damaged: git checkout {SUMS}") from None


def _here() -> dict[str, str]:
    return {
        path.relative_to(FOLDER).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in FOLDER.rglob("*")
        if path.is_file() and path != SUMS and not _is_leftover(path)
    }


def _distribution(name: str) -> str:
    return name.partition("/")[0]


def _is_leftover(path: Path) -> bool:
    """Return whether the file was created by running or installing the code, so that no release has it."""
    return any(part == "__pycache__" or part.endswith(".egg-info") for part in path.parts)
