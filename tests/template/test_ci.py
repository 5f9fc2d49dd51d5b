"""The CI system that was chosen: only its pipeline is in place, with the project's Pythons, and passes the lint."""

from __future__ import annotations

import json

import pytest

IN_PLACE = {
    "gitlab": [".gitlab-ci.yml"],
    "jenkins": ["Jenkinsfile"],
    "circleci": [".circleci/config.yml"],
    "azure": ["azure-pipelines.yml"],
}
WORKFLOWS = [f".github/workflows/{name}.yml" for name in ("ci", "train", "deploy", "docs")]


def assert_same(made: dict, wanted: dict) -> None:
    assert set(made) == set(wanted)
    assert [name for name in wanted if made[name] != wanted[name]] == []


@pytest.mark.parametrize("system", IN_PLACE)
def test_only_the_chosen_one_is_in_place_and_passes_the_lint(
    generate, template, default_project, tree, git, make, tmp_path, system
):
    project = generate(template, tmp_path, ci=system)
    wanted = dict(tree(default_project))
    for name in IN_PLACE[system]:
        wanted[name] = wanted[
            f"packages/mlops-kit/src/mlops_kit/ci/pipelines/systems/{system}/full/{name}"
        ]
    for name in WORKFLOWS:
        del wanted[name]
    assert_same(tree(project), wanted)
    assert git(project, "status", "--porcelain") == ""
    make(project, "ci-lint")


def test_switching_there_and_back_changes_nothing(
    generate, template, default_project, tree, make, tmp_path
):
    project = generate(template, tmp_path, ci="jenkins")
    (project / ".cruft.json").write_text(json.dumps({"context": {"c": {"ci": "jenkins"}}}))
    output = make(project, "ci-switch", "TO=circleci")
    assert "switched to circleci: .circleci/config.yml" in output
    assert not (project / "Jenkinsfile").exists()
    make(project, "ci-switch", "TO=github")
    assert json.loads((project / ".cruft.json").read_text())["context"]["c"]["ci"] == "github"
    assert_same(tree(project), tree(default_project))
    assert not (project / ".circleci").exists()


def test_pipeline_runs_the_chosen_pythons(generate, template, make, tmp_path):
    answers = {"python_versions": "3.11-3.14", "aws_region": "us-east-1"}
    project = generate(template, tmp_path, **answers)
    texts = {name: (project / name).read_text() for name in WORKFLOWS}
    assert 'python: ["3.11", "3.12", "3.13", "3.14"]' in texts[WORKFLOWS[0]]
    assert "vars.AWS_REGION || 'us-east-1'" in texts[WORKFLOWS[1]]
    make(project, "ci-switch", "TO=azure")
    assert (
        'default: ["3.11", "3.12", "3.13", "3.14"]' in (project / "azure-pipelines.yml").read_text()
    )
    make(project, "ci-switch", "TO=github")
    assert {name: (project / name).read_text() for name in WORKFLOWS} == texts


def test_the_default_choice_passes_the_lint(default_project, make):
    make(default_project, "ci-lint")


def test_generating_over_a_project_keeps_its_choice(
    generate, template, tree, tmp_path, cookiecutter_api
):
    project = generate(template, tmp_path, ci="gitlab")
    before = tree(project)
    again = {"extra_context": {"ci": "gitlab"}, "output_dir": str(tmp_path)}
    cookiecutter_api(str(template), no_input=True, overwrite_if_exists=True, **again)
    assert_same(tree(project), before)
