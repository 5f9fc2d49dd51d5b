"""Updates: a project made from an earlier version becomes, with cruft, what a new one would be."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import cruft
import pytest

ROOT = Path(__file__).parents[2]
ANSWERS = {
    "project_name": "Señor O'Brien’s Radar",
    "package_name": "radar",
    "license": "Apache-2.0",
}

# What a team does to its own files: text of the project, and what takes its place.
EDITS = {
    "README.md": ("```sh\n", "Ours.\n\n```sh\n"),
    "configs/train.yaml": ("seed: ", "seed: 1"),
    "src/radar/model.py": (
        '    "linear": {"classification"',
        '    "dish": {"regression": Ridge},\n    "linear": {"classification"',
    ),
}


# The release before this one: a single commit with the tree of its tag, so a shallow clone has it too. In a scratch clone:
#   git tag --force v0.2.0 $(git commit-tree -m "Release 0.2.0" v0.2.0^{tree})
#   git bundle create v0.2.0.bundle refs/tags/v0.2.0
BUNDLE = Path(__file__).parent / "v0.1.0.bundle"
# What an update from it has to answer anew: MIGRATION.md.
ANSWERED_ANEW = {"python_versions": "3.9-3.14"}


@pytest.fixture(params=["made here", BUNDLE.stem])
def earlier(request) -> str:
    return request.param


@pytest.fixture
def versions(earlier, template, tmp_path, git) -> Path:
    """The template with two versions, tagged `earlier` and `present`; `earlier` is checked out."""
    repository = tmp_path / "template"
    git(tmp_path, "clone", "--quiet", str(template), str(repository))
    git(repository, "tag", "present")
    if earlier == BUNDLE.stem:
        tag = f"refs/tags/{earlier}:refs/tags/earlier"
        git(repository, "fetch", "--quiet", "--no-tags", str(BUNDLE), tag)
    else:
        make_earlier_version(repository)
        git(repository, "add", "--all")
        git(repository, "commit", "--quiet", "--message", "An earlier version")
        git(repository, "tag", "earlier")
    git(repository, "checkout", "--quiet", "earlier")
    return repository


@pytest.fixture
def update(earlier):
    """A function that updates a project, as `cruft update` does."""
    answers = ANSWERED_ANEW if earlier == BUNDLE.stem else None
    return lambda project: cruft.update(project, skip_apply_ask=True, extra_context=answers)


def make_earlier_version(repository: Path) -> None:
    """Take something away from every kind of file that ships, and leave something in that no longer ships."""
    for name in (
        "Makefile",
        "pyproject.toml",
        "configs/train.yaml",
        "docs/growing.md",
        "packages/mlops-kit/src/mlops_kit/__init__.py",
        "{{ cookiecutter.project_slug }}/README.md",
    ):
        path = repository / name
        path.write_text(path.read_text(encoding="utf-8") + "# ML Template\n", encoding="utf-8")
    (repository / "src" / "ml_template" / "py.typed").unlink()
    for folder in ("src/ml_template", "packages/mlops-kit/src/mlops_kit"):
        (repository / folder / "old.py").write_text('"""Of ML Template."""\n')


@pytest.fixture
def project(versions, tmp_path, git) -> Path:
    """A project made from the earlier version, as its team has committed it."""
    made = cruft.create(str(versions), tmp_path, extra_context=ANSWERS, no_input=True)
    git(made, "add", ".cruft.json")
    git(made, "commit", "--quiet", "--message", "Take updates")
    git(versions, "checkout", "--quiet", "present")
    return made


def test_create_begins_with_the_same_commit(project, git):
    log = git(project, "log", "--format=%s")
    assert log == "Take updates\nStart the project\n"


def test_update_ends_at_what_a_fresh_render_gives(
    project, versions, update, generate, tmp_path, tree, git
):
    fresh = generate(versions, tmp_path / "fresh", **ANSWERS)
    assert tree(project) != tree(fresh)
    assert update(project)
    assert tree(project) == tree(fresh)
    assert cruft.check(project)
    history = git(project, "rev-list", "--count", "HEAD")
    assert history == "2\n"


def test_update_keeps_what_the_team_has_changed(
    project, versions, update, generate, tmp_path, tree, git
):
    for name, (old, new) in EDITS.items():
        path = project / name
        path.write_text(path.read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8")
    (project / "src" / "radar" / "ours.py").write_text('"""Ours."""\n')
    git(project, "add", "--all")
    git(project, "commit", "--quiet", "--message", "Our own work")
    assert update(project)
    expected = dict(tree(generate(versions, tmp_path / "fresh", **ANSWERS)))
    for name, (old, new) in EDITS.items():
        executable, content = expected[name]
        assert old.encode() in content
        expected[name] = (executable, content.replace(old.encode(), new.encode(), 1))
    expected["src/radar/ours.py"] = (False, b'"""Ours."""\n')
    # No file more than these: nothing was rejected, and no conflict was left.
    assert tree(project) == expected
    assert check_kit(project) == (0, "kit-check: packages/ is as released\n")


@pytest.mark.parametrize("earlier", ["made here"], indirect=True)
def test_conflicts_need_the_whole_history(project, update, tmp_path, git):
    """Shallow clones, as in docs/upgrading.md: git has no ancestor to merge with there."""
    readme = project / "README.md"
    last = "# Señor O'Brien’s Radar\n"  # which the earlier version ends with
    readme.write_text(readme.read_text(encoding="utf-8").removesuffix(last) + "Ours.\n")
    git(project, "commit", "--quiet", "--all", "--message", "Our own work")
    shallow = tmp_path / "shallow"
    git(tmp_path, "clone", "--quiet", "--depth=1", project.as_uri(), str(shallow))
    assert update(shallow)
    assert [path.name for path in shallow.rglob("*.rej")] == ["README.md.rej"]
    git(shallow, "reset", "--quiet", "--hard")
    git(shallow, "clean", "--quiet", "--force")
    git(shallow, "fetch", "--quiet", "--unshallow")
    assert update(shallow)
    assert [path.name for path in shallow.rglob("*.rej")] == []
    assert git(shallow, "diff", "--name-only", "--diff-filter=U") == "README.md\n"


def check_kit(project: Path) -> tuple[int, str]:
    """Run what `make kit-check` calls; return its exit code and what it printed."""
    sources = f"{project / 'src'}:{project / 'packages/mlops-kit/src'}"
    done = subprocess.run(
        [sys.executable, "-B", "-m", "radar", "kit-check"],
        cwd=project,
        env={**os.environ, "PYTHONPATH": sources},
        capture_output=True,
        encoding="utf-8",
    )
    return done.returncode, done.stdout + done.stderr
