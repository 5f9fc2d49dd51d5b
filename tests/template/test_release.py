"""A release is tagged only where version, changelogs, digest and lock agree; all problems are listed together."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

KIT = "packages/mlops-kit"
VERSION = re.search(
    r'^version = "(.+)"$', (Path(__file__).parents[2] / KIT / "pyproject.toml").read_text(), re.M
)[1]


def release(repository: Path) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-B", "tests/template/release.py"],
        cwd=repository,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
    )
    return done.returncode, done.stdout


def edit(path: Path, pattern: str, new: str) -> None:
    text, count = re.subn(pattern, new, path.read_text(encoding="utf-8"), count=1, flags=re.M)
    assert count, pattern
    path.write_text(text, encoding="utf-8")


def kit_digest(project: Path) -> str:
    """As in docs/upgrading.md."""
    lines = (project / "packages/SHA256SUMS").read_text().splitlines(keepends=True)
    return hashlib.sha256("".join(n for n in lines if " mlops-kit/" in n).encode()).hexdigest()


@pytest.fixture
def repository(template, default_project, tmp_path, git, monkeypatch) -> Path:
    """The template as it is when it can be released."""
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "Tests")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "tests@example.com")
    git(tmp_path, "clone", "--quiet", str(template), "template")
    made = tmp_path / "template"
    entry = f"## [{VERSION}] - 2026-11-29\n"
    digest = f"The kit's digest is sha256:{kit_digest(default_project)}.\n"
    changelog = re.split(r"^(?=## )", (made / "CHANGELOG.md").read_text(), flags=re.M)
    (made / "CHANGELOG.md").write_text("".join([changelog[0], entry, digest, *changelog[2:]]))
    git(made, "commit", "--quiet", "--all", "--allow-empty", "--message", "Prepare the release")
    return made


def test_what_agrees_is_tagged(repository, git):
    output = f"release: tagged v{VERSION}; next: git push origin v{VERSION}\n"
    assert release(repository) == (0, output)
    assert git(repository, "cat-file", "-t", f"v{VERSION}") == "tag\n"
    assert git(repository, "rev-parse", f"v{VERSION}^{{}}") == git(repository, "rev-parse", "HEAD")
    assert release(repository) == (
        2,
        f"error: the tag v{VERSION} is there already: raise version in {KIT}/pyproject.toml\n",
    )


def test_a_single_change_is_counted_in_the_singular(repository):
    (repository / "new.txt").touch()
    problem = "error: the tree has 1 uncommitted change (the first: new.txt): git commit\n"
    assert release(repository) == (2, problem)


@pytest.mark.parametrize("profile", ["service", "model"])
def test_each_profile_has_the_digest_of_the_same_kit(
    generate, template, default_project, tmp_path, profile
):
    made = generate(template, tmp_path, profile=profile)
    assert kit_digest(made) == kit_digest(default_project)


def test_all_problems_are_listed_together(repository, git):
    edit(repository / "CHANGELOG.md", r"^## \[.*", f"## [{VERSION}]")
    edit(repository / KIT / "CHANGELOG.md", r"^## \[.*", "## [9.9.9] - 2026-11-29")
    edit(repository / KIT / "README.md", r"mlops-kit==[\d.]+", "mlops-kit==9.9.9")
    edit(repository / "pyproject.toml", r'"numpy"', '"numpy>=99"')
    edit(repository / "pyproject.toml", r'"ruff"', '"ruff>=99"')
    edit(repository / KIT / "pyproject.toml", r'"typer"', '"typer",\n    "no-such-thing"')
    code, output = release(repository)
    expected = [
        f"CHANGELOG.md: the entry of {VERSION} has no date",
        f"{KIT}/CHANGELOG.md: the newest entry is 9.9.9",
        "CHANGELOG.md: the digest of the kit is sha256:",
        f"{KIT}/README.md has no mlops-kit=={VERSION}",
        "requirements.txt has",
        "requirements.txt has no no-such-thing",
        "requirements/dev.txt has",
        "the tree has 5 uncommitted changes",
    ]
    assert code == 2
    assert len(output.splitlines()) == len(expected)
    for line, start in zip(output.splitlines(), expected):
        assert line.startswith(f"error: {start}"), line
    assert "numpy, pyproject.toml wants numpy>=99: make lock" in output
    assert git(repository, "tag") == ""


def test_a_digest_that_is_lacking_is_given_to_paste(repository, git):
    edit(repository / "CHANGELOG.md", r"^The kit's digest is (\S+)\.\n", "")
    git(repository, "commit", "--quiet", "--all", "--message", "Forget the digest")
    code, output = release(repository)
    assert (code, output.count("\n")) == (2, 1)
    edit(repository / "CHANGELOG.md", r"^(## .*\n)", rf"\1\n{output.split()[-1]}\n")
    git(repository, "commit", "--quiet", "--all", "--message", "Paste it")
    assert release(repository)[0] == 0
