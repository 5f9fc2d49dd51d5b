"""What a run was made from: the git commit and the lock."""

from __future__ import annotations

import hashlib
import os
import platform
from pathlib import Path

from .errors import UserError

LOCK = Path("requirements.txt")


def tags() -> dict[str, str]:
    """Return the tags that every run and version carries.

    `git.commit` is "none" outside a repository or before its first commit; `git.dirty` tells whether
    tracked files were changed or new files lay unignored; `lock.digest` is the SHA-256 of
    requirements.txt.
    """
    commit, dirty = _git()
    return {
        "git.commit": commit,
        "git.dirty": str(dirty).lower(),
        "lock.digest": hashlib.sha256(_lock().encode()).hexdigest(),
    }


def requirements(names: list[str]) -> list[str]:
    """Return the installed versions of the distributions `names`, as pip reads them."""
    from importlib.metadata import version

    return [f"{name}=={version(name)}" for name in names]


def versions() -> str:
    """Return, for people, what a model was fitted with."""
    libraries = ", ".join(requirements(["scikit-learn", "pandas", "numpy"])).replace("==", " ")
    return f"Python {platform.python_version()}, {libraries}"


def _git() -> tuple[str, bool]:
    os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")  # no git: no exception at import
    import git

    try:
        repository = git.Repo(search_parent_directories=True)
        return repository.head.commit.hexsha, repository.is_dirty(untracked_files=True)
    except (git.exc.GitError, git.exc.ODBError, ValueError, OSError):
        # The image that trains has no repository; it says what it was built from: COMMIT or COMMIT-dirty.
        commit, _, dirty = os.environ.get("IMAGE_REVISION", "").partition("-")
        return commit or "none", not commit or bool(dirty)


def _lock() -> str:
    try:
        return LOCK.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(f"{LOCK} not found: run this in the repository's root") from None
