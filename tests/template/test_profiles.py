"""What a project holds: everything, no AWS, or no service either; what is left out is named nowhere."""

from __future__ import annotations

import re
from pathlib import Path

import cruft
import pytest

# Other answers come along, so that no project has to be made for them alone.
ANSWERS = {
    "service": {"project_name": "Churn Radar", "python_versions": "3.11-3.14"},
    "model": {"license": "Apache-2.0"},
}

NO_AWS = (
    *("configs/deploy", "configs/infra", "infra"),
    *("packages/ecs-local", "requirements/local.txt"),
    *("docs/deploying.md", "docs/infrastructure.md"),
    *("docs/disaster-recovery.md", "docs/adr/0006-deployment.md", ".github/workflows/deploy.yml"),
)
NO_SERVICE = (
    *("configs/serve.yaml", "configs/monitor.yaml", "docker", "requirements/serving.txt"),
    *("tests/image", "tests/test_service.py", "docs/watching.md", "docs/adr/0005-serving.md"),
)
LEFT_OUT = {
    "service": (*NO_AWS,),
    "model": (*NO_AWS, *NO_SERVICE, ".github/workflows/publish.yml"),
}
HELD = {
    "service": (*NO_SERVICE, ".github/workflows/publish.yml", "packages/mlops-kit"),
    "model": (
        *("configs/train.yaml", "configs/search.yaml", "tests/test_whole_way.py"),
        *("docs/your-model.md", "packages/mlops-kit", ".github/workflows/train.yml"),
    ),
}
AWS_TARGETS = {"deploy", "status", "rollback", "push", "logs", "local-up", "infra-plan"}
SERVICE_TARGETS = {"export", "serve", "predict", "image", "image-push", "compose-up", "monitor"}
TARGETS = {"service": SERVICE_TARGETS, "model": set()}

each = pytest.mark.parametrize("profile", LEFT_OUT)


@pytest.fixture(scope="module")
def projects(generate, template, tmp_path_factory) -> dict[str, Path]:
    """A project of each profile; the tests only read them."""
    output = tmp_path_factory.mktemp("profiles")
    return {
        profile: generate(template, output / profile, profile=profile, **answers)
        for profile, answers in ANSWERS.items()
    }


def documents(project: Path) -> dict[str, str]:
    """The project's documents, without those of the kit, which are the same in every project."""
    paths = [p for p in project.rglob("*.md") if "packages" not in p.relative_to(project).parts]
    return {str(p.relative_to(project)): p.read_text(encoding="utf-8") for p in paths}


def targets(project: Path, make) -> set[str]:
    return set(re.findall(r"^  make ([a-z-]+) ", make(project, "help-all"), re.M))


@each
def test_what_is_left_out_is_gone_and_the_rest_is_there(projects, profile):
    project = projects[profile]
    assert [name for name in LEFT_OUT[profile] if (project / name).exists()] == []
    assert [name for name in HELD[profile] if not (project / name).exists()] == []
    assert not (project / "leave_out").exists()


@each
def test_targets_are_those_of_the_profile(projects, make, profile):
    there = targets(projects[profile], make)
    assert there & (AWS_TARGETS | SERVICE_TARGETS) == TARGETS[profile]
    assert {"train", "report", "search", "quality-gates", "kit-check", "ci-switch"} <= there
    make(projects[profile], "--dry-run", *sorted(there - {"help", "help-all"}))


@each
def test_help_fits_a_terminal_and_names_variables_of_the_profile(projects, make, profile):
    lines = make(projects[profile], "help").splitlines()
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 80
    variables = make(projects[profile], "help-all").partition("\nVariables\n")[2]
    assert "SEARCH_SET=" in variables
    assert ("SERVE_SET=" in variables) == (profile == "service")
    assert "DEPLOY_SET=" not in variables


@each
def test_documents_link_to_what_is_there(projects, profile):
    project = projects[profile]
    for name, text in documents(project).items():
        links = [link for link in re.findall(r"\]\(([^)#\s]+)", text) if ":" not in link]
        assert [link for link in links if not (project / name).parent.joinpath(link).exists()] == []


@each
def test_documents_and_pipelines_call_targets_that_are_there(projects, make, profile):
    project = projects[profile]
    there = targets(project, make)
    texts = documents(project)
    for path in project.glob(".github/workflows/*.yml"):
        texts[path.name] = "".join(f"`{c}`" for c in re.findall(r"run: (.*)", path.read_text()))
    for name, text in texts.items():
        spans = re.findall(r"`([^`\n]*)`", text) + re.findall(r"^(make .*)$", text, re.M)
        for words in (span.split() for span in spans if span.startswith("make ")):
            called = {word for word in words[1:] if re.fullmatch(r"[a-z-]+", word)}
            assert called <= there, f"{name}: {' '.join(words)}"


@each
def test_documents_do_not_speak_of_what_is_left_out(projects, profile):
    words = {
        "service": r"\bAWS\b|\bECS\b|Terraform|\bstaging\b",
        "model": r"\bONNX\b|\bDocker\b|Swagger",
    }
    for name, text in documents(projects[profile]).items():
        assert re.search(words[profile], text) is None, name


@each
def test_documents_have_no_heading_without_text_and_no_empty_table(projects, template, profile):
    for name, text in documents(projects[profile]).items():
        assert not re.search(r"^\|--.*\n(?!\|)", text, re.M), name
        if name != ".github/pull_request_template.md":
            assert not re.search(r"^(#+) .*\n+(?=\1 |\Z)", text, re.M), name


@each
def test_pipelines_pass_the_lint_and_stay_the_profiles(
    projects, make, generate, template, tmp_path, profile
):
    make(projects[profile], "ci-lint")
    project = generate(template, tmp_path, profile=profile, ci="gitlab")
    text = (project / ".gitlab-ci.yml").read_text(encoding="utf-8")
    assert ("make image-push" in text) == (profile == "service")
    assert "make deploy" not in text
    make(project, "ci-switch", "TO=github")
    made = {path.name for path in (project / ".github/workflows").iterdir()}
    assert made == {
        "ci.yml",
        "docs.yml",
        "train.yml",
        *(["publish.yml"] if profile == "service" else []),
    }


@each
def test_the_kit_is_as_released(projects, make, template, tree, profile):
    make(projects[profile], "kit-check")
    released = tree(template / "packages/mlops-kit")
    made = tree(projects[profile] / "packages/mlops-kit")
    assert {name: released[name] for name in made} == made
    assert "src/mlops_kit/make/deploy.mk" in made


@each
def test_other_names_are_swapped_as_ever(projects, mentions, profile):
    found = mentions(projects[profile])
    assert bool(found) == (profile == "model")  # which has the reference's names


@each
def test_dependabot_looks_at_folders_that_are_there(projects, profile):
    text = (projects[profile] / ".github/dependabot.yml").read_text()
    assert ("docker" in text) == (profile == "service")
    assert "terraform" not in text
    assert text.count("- package-ecosystem") == {"service": 3, "model": 2}[profile]


def test_the_profile_can_be_changed_by_an_update(template, generate, tree, git, tmp_path):
    answers = {"project_name": "Churn Radar", "profile": "model"}
    made = cruft.create(str(template), tmp_path, extra_context=answers, no_input=True)
    git(made, "add", ".cruft.json")
    git(made, "commit", "--quiet", "--message", "Take updates")
    description = "Ranks customers."
    changed = {"profile": "full", "description": description}
    assert cruft.update(made, skip_apply_ask=True, extra_context=changed)
    fresh = generate(template, tmp_path / "fresh", **{**answers, **changed})
    assert tree(made) == tree(fresh)


def test_every_document_and_setting_is_looked_at_or_left_out(default_project, leaving):
    shipped = {*documents(default_project)}
    shipped |= {f"configs/{path.name}" for path in (default_project / "configs").glob("*.yaml")}
    paths = {*leaving.AWS.paths, *leaving.SERVICE.paths}
    assert shipped <= {*leaving.DOCUMENTS, *leaving.SETTINGS, *paths}
    assert {*leaving.DOCUMENTS, *leaving.SETTINGS} <= shipped


def test_documents_of_the_team_stay_as_they_are(generate, template, tmp_path, cookiecutter_api):
    project = generate(template, tmp_path, profile="model")
    ours = project / "docs/ours.md"
    ours.write_text("Our service is in AWS: `make deploy`.\n")
    again = {"extra_context": {"profile": "model"}, "output_dir": str(tmp_path)}
    cookiecutter_api(str(template), no_input=True, overwrite_if_exists=True, **again)
    assert ours.read_text() == "Our service is in AWS: `make deploy`.\n"


# --- How it is cut ---------------------------------------------------------------------------------

DOCUMENT = """\
# Title

Stays. Names nothing.

This paragraph names
`make deploy`.

The command is:

```sh
make train
make deploy ENV=local
```

This shows it:

```
make deploy
```

## Only this

- `configs/deploy/` is an item
  of two lines.

## A table

| what | where |
|---|---|
| one | [a guide](deploying.md) |
| two | [a guide](report.md) |

| what | where |
|---|---|
| three | `infra/` |

1. First
2. Terraform
3. Third, with `packages/x/infra/` and the word infra

## AWS without keys

This names nothing, but its heading is listed.

### Below it

Neither does this.

## The end

Stays.
"""
CUT = """\
# Title

Stays. Names nothing.

The command is:

```sh
make train
```

## A table

| what | where |
|---|---|
| two | [a guide](report.md) |

1. First
2. Third, with `packages/x/infra/` and the word infra

## The end

Stays.
"""


@pytest.fixture
def gone(leaving, template):
    return leaving.Gone.of(template, leaving.AWS)


def test_prose_that_names_what_is_gone_goes(leaving, gone):
    assert leaving.without_prose(DOCUMENT, gone) == CUT


def test_prose_that_names_nothing_stays_as_it_is(leaving, gone):
    assert leaving.without_prose(CUT, gone) == CUT


def test_comments_of_settings_go_by_paragraphs(gone):
    text = "# One.\n#\n# `make deploy`\n# names it.\n#\n# Three.\nkey: 1\n\n# `make deploy` again.\n\n# Two.\nb: 2\n"
    assert gone.without_comments(text) == "# One.\n#\n# Three.\nkey: 1\n\n\n# Two.\nb: 2\n"


def test_items_of_lists_go_from_the_inside_out(gone):
    text = 'a:\n  - b: 1\n    paths:\n      - /\n      - /infra\n  - b: 2\n    path: "/infra/**"\n  - b: 3\n'
    assert gone.without_items(text) == "a:\n  - b: 1\n    paths:\n      - /\n  - b: 3\n"
