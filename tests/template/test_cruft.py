"""Updates: a project made from an earlier version becomes, with cruft, what a new one would be."""

from __future__ import annotations

import subprocess
from pathlib import Path

import cruft
import pytest

ROOT = Path(__file__).parents[2]
ANSWERS = {
    "project_name": "Señor O'Brien’s Radar",
    "package_name": "radar",
    "license": "Apache-2.0",
}


def newest_tag() -> list[str]:
    """The newest version of the template before this one, if there is any."""
    command = ["git", "-c", "safe.directory=*", "describe", "--tags", "--abbrev=0"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8")
    return done.stdout.split()


@pytest.fixture(params=["one made here", *newest_tag()])
def versions(request, template, tmp_path, git) -> Path:
    """The template with two versions, tagged `earlier` and `present`; `earlier` is checked out."""
    repository = tmp_path / "template"
    git(tmp_path, "clone", "--quiet", str(template), str(repository))
    git(repository, "tag", "present")
    if request.param == "one made here":
        make_earlier_version(repository)
        git(repository, "add", "--all")
        git(repository, "commit", "--quiet", "--message", "An earlier version")
        git(repository, "tag", "earlier")
    else:
        git(
            repository,
            "fetch",
            "--quiet",
            str(ROOT),
            f"refs/tags/{request.param}:refs/tags/earlier",
        )
    git(repository, "checkout", "--quiet", "earlier")
    return repository


def make_earlier_version(repository: Path) -> None:
    """Take something away from every kind of file that ships, and leave something in that no longer ships."""
    for name in (
        "Makefile",
        "pyproject.toml",
        "configs/train.yaml",
        "packages/mlops-kit/src/mlops_kit/__init__.py",
    ):
        path = repository / name
        path.write_text(path.read_text(encoding="utf-8") + "# ML Template\n", encoding="utf-8")
    (repository / "src" / "ml_template" / "py.typed").unlink()
    (repository / "src" / "ml_template" / "old.py").write_text('"""Of ML Template."""\n')
    readme = repository / "{{ cookiecutter.project_slug }}" / "README.md"
    readme.write_text("# ML Template\n\nAn earlier one.\n")


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


def test_update_ends_at_what_a_fresh_render_gives(project, versions, generate, tmp_path, tree, git):
    fresh = generate(versions, tmp_path / "fresh", **ANSWERS)
    assert tree(project) != tree(fresh)
    assert cruft.update(project, skip_apply_ask=True)
    assert tree(project) == tree(fresh)
    assert cruft.check(project)
    history = git(project, "rev-list", "--count", "HEAD")
    assert history == "2\n"


def test_update_keeps_what_the_team_has_changed(project, versions, generate, tmp_path, tree, git):
    config = project / "configs" / "train.yaml"
    config.write_text(config.read_text().replace("seed: ", "seed: 1", 1))
    (project / "src" / "radar" / "ours.py").write_text('"""Ours."""\n')
    git(project, "add", "--all")
    git(project, "commit", "--quiet", "--message", "Our own work")
    assert cruft.update(project, skip_apply_ask=True)
    expected = dict(tree(generate(versions, tmp_path / "fresh", **ANSWERS)))
    executable, content = expected["configs/train.yaml"]
    expected["configs/train.yaml"] = (executable, content.replace(b"seed: ", b"seed: 1", 1))
    expected["src/radar/ours.py"] = (False, b'"""Ours."""\n')
    assert tree(project) == expected
