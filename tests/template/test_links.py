"""What ships, and that the default answers give it back as it is."""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath

import pytest

FOLDER = "{{ cookiecutter.project_slug }}"

# Whatever is new at the root has to be linked in FOLDER, or to be named here.
NOT_SHIPPED = (
    ".ci",
    ".github/workflows/template.yml",
    "CHANGELOG.md",
    "MIGRATION.md",
    "README.md",
    "cookiecutter.json",
    "docs/adr/0004-live-template-root.md",
    "hooks",
    "packages/ecs-local/tests",
    "packages/mlops-kit/tests",
    "templates",
    "tests/template",
    FOLDER,
)

# The generated project has files of these names that are not the root's.
OWN = {"README.md"}

# The hook imports it from the copy, and removes it there.
HOOKS_OWN = "leave_out"

# The hook writes it: what packages/ is as released.
SUMS = "packages/SHA256SUMS"


def is_within(name: str, tops) -> bool:
    path = PurePosixPath(name)
    return any(path == PurePosixPath(top) or PurePosixPath(top) in path.parents for top in tops)


@pytest.fixture(scope="module")
def links(template, tracked) -> dict[str, str]:
    """Each link of the template, with what it points to; both from the root."""
    found = {}
    for name in tracked:
        if (template / name).is_symlink():
            target = os.path.normpath(Path(name).parent / (template / name).readlink())
            found[name] = target
    return found


def test_every_file_ships_through_one_link_or_is_listed(tracked, links):
    reached = {
        name: sum(is_within(name, [target]) for target in links.values())
        for name in tracked
        if name not in links
    }
    shipped = {
        n: not is_within(n, NOT_SHIPPED) or is_within(n, [f"hooks/{HOOKS_OWN}"]) for n in reached
    }
    wrong = {n: count for n, count in reached.items() if count != shipped[n]}
    assert not wrong, "link these in the template's folder or list them in NOT_SHIPPED"


def test_links_are_relative_lead_to_something_and_stay_inside(template, links):
    assert links
    for name, target in links.items():
        assert not (template / name).readlink().is_absolute(), name
        assert (template / target).exists(), name
        assert not target.startswith(".."), name
    assert max(Counter(links.values()).values()) == 1


def test_links_are_copied_and_nothing_else_is_listed_as_copied(template, links):
    listed = json.loads((template / "cookiecutter.json").read_text())["_copy_without_render"]
    inside = {name[len(FOLDER) + 1 :] for name in links if name.startswith(FOLDER)} | OWN
    matched = {entry: {name for name in inside if fnmatch(name, entry)} for entry in listed}
    assert set().union(*matched.values()) == inside
    assert [entry for entry in listed if not matched[entry]] == []


def test_default_answers_give_back_the_shipped_files_byte_for_byte(
    default_project, template, tracked, tree
):
    root = tree(template)
    shipped = {
        name: root[name] for name in tracked if name in root and not is_within(name, NOT_SHIPPED)
    }
    made = tree(default_project)
    assert set(made) == set(shipped) | OWN | {SUMS}
    assert [name for name in shipped if made[name] != shipped[name]] == []
    own = template / FOLDER / "README.md"
    assert made["README.md"][1] == own.read_bytes() != root["README.md"][1]


def test_without_hooks_it_is_the_reference_project(
    generate, template, default_project, tree, tmp_path
):
    made = generate(template, tmp_path, accept_hooks=False, project_name="Churn Radar")
    assert made.name == "churn-radar"
    wanted = {n: file for n, file in tree(default_project).items() if n != SUMS}
    leaving = tree(template / "hooks" / HOOKS_OWN)
    wanted.update({f"{HOOKS_OWN}/{n}": file for n, file in leaving.items()})
    assert tree(made) == wanted


def test_files_of_a_run_do_not_ship(generate, template, default_project, tree, tmp_path):
    live = tmp_path / "live"
    shutil.copytree(template, live, symlinks=True)
    cache = live / "src" / "ml_template" / "__pycache__"
    cache.mkdir()
    (cache / "x.cpython-311.pyc").write_bytes(b"\0")
    made = generate(live, tmp_path)
    assert tree(made) == tree(default_project)


def test_a_checkout_without_symbolic_links_ends_in_one_sentence(
    generate, template, git, tmp_path, capfd
):
    flat = Path(tmp_path, "flat")
    git(tmp_path, "-c", "core.symlinks=false", "clone", "--quiet", str(template), str(flat))
    assert (flat / FOLDER / "src").is_file()
    output = tmp_path / "output"
    output.mkdir()
    capfd.readouterr()
    with pytest.raises(Exception, match="Hook script failed"):
        generate(flat, output)
    message = capfd.readouterr().err
    assert message.startswith("error: this copy of the template has no symbolic links")
    assert message.count("\n") == 1
    assert list(output.iterdir()) == []
