"""The origin of a run: git commit, lock file and library versions."""

from __future__ import annotations

import hashlib
import os
import platform
from pathlib import Path

from .console import echo
from .errors import UserError, one_line

LOCK = Path("requirements.txt")


def tags() -> dict[str, str]:
    """Return the tags that every run and version carries.

    `git.commit` is "none" outside a repository or before its first commit; `git.dirty` is "true" if there
    are uncommitted changes or untracked files that are not ignored; `lock.digest` is the SHA-256 of
    requirements.txt.

    Raises:
        UserError: There is no requirements.txt.
    """
    commit, dirty = _git()
    return {
        "git.commit": commit,
        "git.dirty": str(dirty).lower(),
        "lock.digest": hashlib.sha256(_lock().encode()).hexdigest(),
    }


def requirements(names: list[str]) -> list[str]:
    """Return the installed versions of the distributions `names` as pip requirements, like "numpy==2.1.0".

    Raises:
        PackageNotFoundError: A distribution is not installed.
    """
    from importlib.metadata import version

    return [f"{name}=={version(name)}" for name in names]


def versions() -> str:
    """Return the versions of Python and of the libraries that a model is fitted with, as readable text."""
    libraries = ", ".join(requirements(["scikit-learn", "pandas", "numpy"])).replace("==", " ")
    return f"Python {platform.python_version()}, {libraries}"


def _git() -> tuple[str, bool]:
    os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")  # no git: no exception at import
    import git

    try:
        repository = git.Repo(search_parent_directories=True)
        # The git command's error has the reason.
        commit = str(repository.git.rev_parse("HEAD", verify=True))
        return commit, repository.is_dirty(untracked_files=True)
    except (git.exc.GitError, ValueError, OSError) as error:
        # The training image has no repository; IMAGE_REVISION is COMMIT or COMMIT-dirty.
        commit, _, dirty = os.environ.get("IMAGE_REVISION", "").partition("-")
        if not commit and isinstance(error, git.exc.CommandError):  # there is a repository
            missing = isinstance(error, git.exc.GitCommandNotFound)
            echo(f"note: no commit is recorded: {'git is missing' if missing else one_line(error)}")
        return commit or "none", not commit or bool(dirty)


def _lock() -> str:
    try:
        return LOCK.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(f"{LOCK} not found: run this in the repository's root") from None
