"""A project under other names: they are everywhere, the reference names nowhere, and every file still works."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture
def plain_project(generate, template, tmp_path_factory) -> Path:
    return generate(template, tmp_path_factory.mktemp("plain"), project_name="Churn Radar")


@pytest.fixture
def answers_of(template, resolve):
    return lambda given: resolve(template, given)


def test_one_answer_is_enough_to_leave_no_reference_name(plain_project, mentions):
    assert plain_project.name == "churn-radar"
    assert (plain_project / "src" / "churn_radar").is_dir()
    assert mentions(plain_project) == []


def test_packages_are_equal_under_all_names(hard_project, template, tree):
    released = tree(template / "packages")
    made = tree(hard_project / "packages")
    assert made.pop("SHA256SUMS")  # which the hook writes
    assert made
    assert {name: content for name, content in released.items() if name in made} == made


def test_swapping_names_leaves_packages_alone(post_gen, answers_of, tmp_path):
    for folder in ("packages/kit", "src/packages"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "ml_template.txt").write_text("ml-template")
    post_gen.swap_names(tmp_path, post_gen.swaps(answers_of({"project_name": "Churn Radar"})))
    assert (tmp_path / "packages/kit/ml_template.txt").read_text() == "ml-template"
    assert (tmp_path / "src/packages/churn_radar.txt").read_text() == "churn-radar"


def test_hard_names_leave_no_reference_name(hard_project, mentions):
    assert mentions(hard_project) == []


def test_the_region_is_swapped_too(hard_project, hard_answers):
    region = hard_answers.get("aws_region", "eu-west-1")
    makefile = (hard_project / "Makefile").read_text(encoding="utf-8")
    assert f"export PROJECT_REGION := {region}\n" in makefile
    files = [
        path for path in hard_project.rglob("*") if path.is_file() and ".git" not in path.parts
    ]
    stale = [path for path in files if b"eu-west-1" in path.read_bytes()]
    assert bool(stale) == (region == "eu-west-1")


def test_files_with_hard_names_can_still_be_read(
    hard_project, hard_answers, answers_of, assert_sound
):
    assert_sound(hard_project, answers_of(hard_answers))


def test_make_reads_its_file_with_hard_names(hard_project):
    done = subprocess.run(
        ["make", "help"], cwd=hard_project, capture_output=True, encoding="utf-8", check=True
    )
    assert "make pipeline" in done.stdout
    assert done.stderr == ""


def test_names_do_not_disturb_the_format(hard_project, tmp_path):
    """`make format-check`, with the environment that runs this in place of .venv."""
    check_format(hard_project, tmp_path)


def test_the_default_names_do_not_either(default_project, tmp_path):
    check_format(default_project, tmp_path)


def check_format(project: Path, tmp_path: Path) -> None:
    stamp = tmp_path / "installed"
    for each in (stamp, tmp_path / "with-dev"):
        each.touch()
    # Without notes of what it took, which other tests would find in the project.
    settings = [f"BIN={Path(sys.executable).parent}", f"INSTALLED={stamp}", "TIMER="]
    settings.append(f"WITH={tmp_path / 'with-'}")
    done = subprocess.run(
        ["make", *settings, "format-check"], cwd=project, capture_output=True, encoding="utf-8"
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_names_that_hold_a_reference_name_are_swapped_only_once(generate, template, tmp_path):
    made = generate(
        template,
        tmp_path,
        project_name="ML Template ML Template",
        project_slug="ml-template-ml-template",
        package_name="ml_template_ml_template",
    )
    assert sorted(path.name for path in (made / "src").iterdir()) == ["ml_template_ml_template"]
    assert (made / "README.md").read_text().startswith("# ML Template ML Template\n")
    assert 'name = "ml-template-ml-template"' in (made / "pyproject.toml").read_text()


def test_every_spelling_is_swapped_in_contents_and_paths(post_gen, answers_of, tmp_path):
    answers = answers_of({"project_name": "Churn Radar"})
    folder = tmp_path / "ml_template" / "ml-template"
    folder.mkdir(parents=True)
    (folder / "ML_TEMPLATE.txt").write_bytes(
        b"ML_TEMPLATE=ml-template\r\nml_template\tML Template\n"
    )
    (folder / "binary").write_bytes(b"\xff ml_template")
    post_gen.swap_names(tmp_path, post_gen.swaps(answers))
    text = (tmp_path / "churn_radar" / "churn-radar" / "CHURN_RADAR.txt").read_bytes()
    assert text == b"CHURN_RADAR=churn-radar\r\nchurn_radar\tChurn Radar\n"
    binary = (tmp_path / "churn_radar" / "churn-radar" / "binary").read_bytes()
    assert binary == b"\xff ml_template"


def test_every_reference_name_is_the_default_answer(post_gen, answers_of):
    defaults = answers_of({})
    assert {key: defaults[key] for key in post_gen.REFERENCE} == post_gen.REFERENCE
    assert {key for key in defaults if not key.startswith("_")} == set(post_gen.REFERENCE)


@pytest.mark.parametrize(
    ("answer", "required", "listed"),
    [
        ("3.9-3.14", ">=3.9,<3.15", "3.14 3.13 3.12 3.11 3.10 3.9"),
        ("3.10-3.14", ">=3.10,<3.15", "3.14 3.13 3.12 3.11 3.10"),
        ("3.11-3.14", ">=3.11,<3.15", "3.14 3.13 3.12 3.11"),
        ("3.12-3.14", ">=3.12,<3.15", "3.14 3.13 3.12"),
        ("3.13-3.14", ">=3.13,<3.15", "3.14 3.13"),
        ("3.14", ">=3.14,<3.15", "3.14"),
    ],
)
def test_python_versions(post_gen, template, tmp_path, answer, required, listed):
    for name in ("pyproject.toml", "Makefile"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes((template / name).read_bytes())
    post_gen.set_python_versions(tmp_path, answer)
    changed = {
        line
        for name in ("pyproject.toml", "Makefile")
        for line in (tmp_path / name).read_text().splitlines()
        if line.startswith(("requires-python", "PYTHONS"))
    }
    assert changed == {f'requires-python = "{required}"', f"PYTHONS := {listed}"}


def test_a_line_that_is_gone_from_the_template_is_noticed(post_gen, tmp_path):
    (tmp_path / "Makefile").write_text("PYTHONS = 3.13\n")
    with pytest.raises(SystemExit, match=r"error: Makefile has no 'PYTHONS := 3\.13'"):
        post_gen.edit(tmp_path / "Makefile", "PYTHONS := 3.13", "PYTHONS := 3.12")


@pytest.mark.parametrize(
    ("licence", "named", "first_line"),
    [
        ("MIT", "MIT", "MIT License"),
        ("Apache-2.0", "Apache-2.0", "Apache License"),
        ("BSD-3-Clause", "BSD-3-Clause", "BSD 3-Clause License"),
        ("Proprietary", "LicenseRef-Proprietary", "Copyright (c) Zoë. All rights reserved."),
    ],
)
def test_licences(generate, template, tmp_path, licence, named, first_line):
    made = generate(template, tmp_path, project_name="N", author_name="Zoë", license=licence)
    text = (made / "LICENSE").read_text(encoding="utf-8")
    assert text.lstrip().splitlines()[0] == first_line
    assert text.endswith("\n")
    assert not text.endswith("\n\n")
    assert "{" not in text
    assert ("Copyright (c) Zoë" in text) == (licence != "Apache-2.0")
    assert f'\nlicense = "{named}"\n' in (made / "pyproject.toml").read_text(encoding="utf-8")
