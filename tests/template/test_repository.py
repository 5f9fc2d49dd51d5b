"""The git repository a project begins with, and the next steps that the user sees."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

NEXT = "{0} is ready; next:\n  cd {0}\n  make pipeline\n  make quality-gates\n"


def log(git, project: Path) -> str:
    return git(project, "log", "--format=%an <%ae> %s")


def test_a_first_commit_holds_everything(hard_project, git, tree):
    assert git(hard_project, "rev-parse", "--abbrev-ref", "HEAD") == "main\n"
    assert git(hard_project, "status", "--porcelain", "--ignored") == ""
    committed = git(hard_project, "ls-tree", "-r", "--name-only", "-z", "HEAD").split("\0")
    assert set(committed) - {""} == set(tree(hard_project))


def test_names_that_a_user_ignores_everywhere_are_committed(
    generate, template, tmp_path, git, tree, monkeypatch
):
    ignored, settings = tmp_path / "ignored", tmp_path / "gitconfig"
    ignored.write_text("data/\ndocs\nMakefile\n*.txt\n")
    settings.write_text(f"[core]\nexcludesFile = {ignored}\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(settings))
    made = generate(template, tmp_path, project_name="N")
    committed = git(made, "ls-tree", "-r", "--name-only", "-z", "HEAD").split("\0")
    assert set(committed) - {""} == set(tree(made))
    (made / "packages/mlops-kit/src/mlops_kit/data/new.py").touch()  # as an update brings it
    assert git(made, "status", "--porcelain").endswith("/data/new.py\n")


def test_without_an_identity_the_author_commits(generate, template, tmp_path, git):
    made = generate(
        template, tmp_path, project_name="N", author_name="Zoë O'Neil", author_email="z@example.com"
    )
    assert log(git, made) == "Zoë O'Neil <z@example.com> Start the project\n"


def test_an_identity_is_kept_and_signing_and_hooks_are_left_out(
    generate, template, tmp_path, git, monkeypatch
):
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    (hooks / "pre-commit").write_text("#!/bin/sh\nexit 1\n")
    (hooks / "pre-commit").chmod(0o755)
    settings = tmp_path / "gitconfig"
    settings.write_text(
        "[user]\nname = Somebody\nemail = somebody@example.com\nsigningkey = none\n"
        f"[commit]\ngpgsign = true\n[core]\nhooksPath = {hooks}\n[init]\ndefaultBranch = trunk\n"
    )
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(settings))
    made = generate(template, tmp_path, project_name="N")
    assert log(git, made) == "Somebody <somebody@example.com> Start the project\n"
    assert git(made, "rev-parse", "--abbrev-ref", "HEAD") == "main\n"


def test_inside_another_repository_it_is_a_repository_of_its_own(
    generate, template, tmp_path, git, monkeypatch
):
    outer = tmp_path / "outer"
    git(tmp_path, "init", "--quiet", str(outer))
    with monkeypatch.context() as patch:
        # As git sets it for its own hooks.
        patch.setenv("GIT_DIR", str(outer / ".git"))
        made = generate(template, outer, project_name="N")
    assert git(made, "rev-parse", "--show-toplevel").strip() == str(made)
    assert git(outer, "status", "--porcelain") == "?? n/\n"


def test_without_git_the_project_is_complete_with_a_note(
    generate, template, default_project, tree, tmp_path, monkeypatch, capfd
):
    monkeypatch.setenv("PATH", str(tmp_path))
    made = generate(template, tmp_path)
    note = "note: commit the project yourself (git is not installed)\n"
    assert capfd.readouterr().out == note + NEXT.format("ml-template")
    assert not (made / ".git").exists()
    assert tree(made) == tree(default_project)


def test_a_commit_that_git_refuses_is_a_note(
    generate, template, default_project, tree, tmp_path, capfd
):
    # git strips such characters off a name, and accepts none that is empty then.
    made = generate(template, tmp_path, project_name="N", author_name=".,;")
    output = capfd.readouterr().out
    assert output.startswith("note: commit the project yourself (git said: fatal: ")
    assert output.endswith(NEXT.format("n"))
    assert set(tree(made)) == {name.replace("ml_template", "n") for name in tree(default_project)}


def test_generating_over_a_project_again_leaves_its_history_alone(
    generate, template, tmp_path, git, cookiecutter_api
):
    made = generate(template, tmp_path, project_name="N")
    before = git(made, "rev-parse", "HEAD")
    (made / "ours.txt").write_text("work in progress\n")
    again = {"extra_context": {"project_name": "N"}, "output_dir": str(tmp_path)}
    cookiecutter_api(str(template), no_input=True, overwrite_if_exists=True, **again)
    assert git(made, "rev-parse", "HEAD") == before
    assert git(made, "status", "--porcelain") == "?? ours.txt\n"


def test_the_command_a_user_types(template, tmp_path):
    command = shutil.which("cookiecutter", path=Path(sys.executable).parent)
    done = subprocess.run(
        [command, ".", "--no-input", "project_name=Churn Radar"],
        cwd=shutil.copytree(template, tmp_path / "live", symlinks=True),
        capture_output=True,
        encoding="utf-8",
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, NEXT.format("churn-radar"), "")
    assert (tmp_path / "live" / "churn-radar" / "src" / "churn_radar").is_dir()


def test_the_docs_have_the_cost_table_that_make_prints(template, tmp_path):
    sources = f"{template / 'src'}:{template / 'packages/mlops-kit/src'}"
    for name in ("configs", "infra"):
        shutil.copytree(template / name, tmp_path / name)
    subprocess.run(
        [sys.executable, "-m", "ml_template", "infra-cost"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": sources, "AWS_DEFAULT_REGION": "eu-west-1"},
        check=True,
        stdout=subprocess.DEVNULL,
    )
    table = (tmp_path / "reports/infra-cost.md").read_text(encoding="utf-8")
    assert table in (template / "docs/infrastructure.md").read_text(encoding="utf-8")
