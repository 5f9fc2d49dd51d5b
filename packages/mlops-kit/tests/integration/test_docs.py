"""README and docs: all that they name is there, and what can run on a laptop does, in the order of reading."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest
import typer.main

from mlops_kit import cli as command_line
from mlops_kit.core.project import current
from mlops_kit.delivery.deploy.settings import load_deploy
from mlops_kit.experiments.search.settings import load_search
from mlops_kit.experiments.settings import load_train
from mlops_kit.monitoring.settings import load_monitor
from mlops_kit.serving.settings import load_serve

from . import documents
from .documents import ROOT
from .following import Project

every_document = pytest.mark.parametrize("document", documents.documents())

# A generated project has these; the second is the workshop's, which does not ship.
MAKEFILES = "\n".join(
    path.read_text(encoding="utf-8")
    for path in (ROOT / "Makefile", *sorted(ROOT.glob("packages/*/src/*/make/*.mk")))
)
WORKSHOP = (ROOT / "packages/mlops-kit/tests/tests.mk").read_text(encoding="utf-8")

# Commands that the last test does not run (regular expressions), and why; most name the test that runs them instead.
NOT_RUN = {
    "makes or updates a project, or asks git; the template's own tests do it": (
        r"git (clone|add|commit) .*",
        r"\w+ (gh|https):\S+",
        r"cruft .*",
        r"\.ci/run",
        r"cd packages && grep .* SHA256SUMS \| sha256sum",
    ),
    "asks GitHub about a repository of yours": (r"gh api .*",),
    "builds the wheel; ../unit/test_wheel.py does it": (r"uv build .*",),
    "the gates themselves; CI runs them on every change": (
        r"make (format )?quality-gates",
        r"make test",
        r"make format-check lint type-check",
        r"make security",
        r"make ci-lint",
    ),
    "starts a local AWS; ../deploy and the tests of packages/ecs-local do it": (
        r"make local-up( deploy ENV=local)?",
        r"make (deploy|status|rollback) ENV=local",
        r"make local-down",
        r"python -m ecs_local .*",
    ),
    "needs an account; ../deploy does it on a local one": (
        r"make (status|rollback) ENV=production",
        r"make deploy-plan ENV=production .*",
    ),
    "needs Terraform; ../infra does it": (r"make infra-check",),
    "needs Docker; tests/image and ../image do it": (
        r"REPOSITORY=.*",
        r"aws ecr .*",
        r"docker build .*",
        r"make image-train && .*",
        r"make image image-test image-scan",
    ),
    "starts Chromium for its PDF; test_report.py and ../page do it": (r"make report",),
    "names something of yours; test_report.py, test_export.py and test_ci_cost.py do it": (
        r"make report RUN_ID=…",
        r"make export MODEL=\w+@previous",
        r"GITHUB_REPOSITORY=\S+ GITHUB_TOKEN=… make ci-report",
    ),
    "needs a service that was asked hundreds of times; test_watching.py does it": (
        r"make (monitor|compare) .*",
        r"make promote",
    ),
    "moves the pipelines; ../unit/test_pipelines.py does it": (r"make ci-switch TO=gitlab",),
    "needs a cluster, or takes its time; test_cluster.py does it": (
        r"make search.*",
        r"make predict .* DASK_SCHEDULER=\S+",
        r"docker run --entrypoint dask .*",
    ),
    "needs a GPU; ../unit/test_accelerator.py does it without": (r"make train ACCELERATOR=cuml",),
}

# Documents that no test of this file follows: they need packages that the project does not have.
FOLLOWED_ELSEWHERE = {"docs/lightgbm-and-xgboost.md"}  # tests/template/test_runs_green.py

# What the guides begin with, in place of the project's own settings, which may need data that is not here.
CONFIG = """\
experiment: example
registered_model: example
task: classification
data: {source: "sklearn:breast_cancer", target: target}
model: {kind: linear, params: {max_iter: 1000}}
validation: {metric: roc_auc, thresholds: {accuracy: 0.9}}
"""
# Read what a variable overrides.
SETTINGS = {
    "SET": lambda: load_train(Path("configs/train.yaml"), os.environ["SET"]),
    "SERVE_SET": load_serve,
    "SEARCH_SET": load_search,
    "MONITOR_SET": load_monitor,
    "DEPLOY_SET": lambda: load_deploy("production"),
}
COPIED = (
    *("*.md", "Makefile", "pyproject.toml", "requirements*", "configs", "src", "tests"),
    "packages/*/src",
)


@every_document
def test_every_link_leads_somewhere(document):
    folder = documents.folder_of(document)
    # By its text: a folder that is a link has another parent.
    found = {link: Path(os.path.normpath(folder / link)) for link in documents.links(document)}
    assert [link for link, path in found.items() if not path.exists()] == []


@every_document
def test_no_command_has_a_comment(document):
    """zsh, which a Mac begins with, hands a # that is typed and all behind it to the command."""
    typed = [command for block in documents.blocks(document) for command in block.commands]
    assert not [command for command in typed if re.search(r"(^|\s)#", command)]


@every_document
def test_every_path_is_there(document):
    # A project may have chosen another CI system than the one whose files are named: the kit has them all.
    def is_there(path: str) -> bool:
        root = documents.root_of(document)
        wanted = path.rstrip("/")
        return any(
            any(root.glob(one))
            for one in (
                wanted,
                f"packages/mlops-kit/src/mlops_kit/ci/pipelines/systems/*/*/{wanted}",
            )
        )

    assert [path for path in documents.named_paths(document) if not is_there(path)] == []


@pytest.fixture(scope="module")
def variables():
    """The environment variables that make, the command line and the scripts read: words in capitals in quotes, or in make's $()."""
    code = [
        path
        for name in ("src", "packages/*/src", "packages/mlops-kit/tests")
        for folder in ROOT.glob(name)
        for path in folder.rglob("*.py")
    ]
    text = "\n".join(path.read_text(encoding="utf-8") for path in code)
    return {
        *re.findall(r"[\"']([A-Z][A-Z0-9_]+)[\"']", text),
        *re.findall(r"\$\((?:\w+ )*([A-Z][A-Z_]+)\)", MAKEFILES),
        *re.findall(r"## .*?\b([A-Z][A-Z_]+)=", MAKEFILES),
    }


@every_document
def test_every_target_and_every_variable_of_make_is_there(document, variables):
    ships = documents.root_of(document) != ROOT
    makefiles = MAKEFILES if ships else MAKEFILES + WORKSHOP
    targets = set(re.findall(r"^([a-z-]+):", makefiles, re.M))
    for words in documents.commands(document):
        called = documents.make_words(words)
        if called:
            assert set(called[1]) <= targets, words
            assert set(called[0]) <= variables | {"PREVIOUS_STATUS"}, words


@every_document
def test_every_setting_is_accepted(document, checkout, monkeypatch):
    for block in documents.blocks(document):
        wrong = {command for command, _ in block.sessions}
        for command in set(documents.spans(document)) | set(block.commands) - wrong:
            for name, value in re.findall(r"\b([A-Z_]*SET)=\"([^\"…]*)\"", command):
                monkeypatch.setenv(name, value)
                SETTINGS[name]()


@every_document
def test_every_subcommand_and_every_option_is_there(document):
    known = typer.main.get_command(command_line.app).commands
    package = current().package
    for words in documents.commands(document):
        words = [package if word == "PACKAGE" else word for word in words]
        if ["-m", package] not in [words[i : i + 2] for i in range(len(words))]:
            continue
        name, *given = words[words.index(package) + 1 :] or [""]
        if name == "serve":  # mlops_kit.main starts it without the command line
            continue
        assert name in known or not name, words
        options = [option for one in known[name].params for option in one.opts] if name else []
        assert {word.split("=")[0] for word in given if word[0] == "-"} <= set(options), words


def is_not_run(command: str) -> bool:
    return any(re.fullmatch(one, command) for listed in NOT_RUN.values() for one in listed)


@pytest.fixture
def project(tmp_path, empty_store):
    folder = tmp_path / "project"
    folder.mkdir()
    for path in (path for name in COPIED for path in ROOT.glob(name)):
        if path.is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(path, folder / path.relative_to(ROOT), ignore=ignored)
        else:
            shutil.copy2(path, folder)
    folder.joinpath(".venv").symlink_to(ROOT / ".venv")
    folder.joinpath("configs/train.yaml").write_text(CONFIG)
    shutil.copy(empty_store, folder)
    one = Project(folder, is_not_run)
    yield one
    one.stop()


@pytest.mark.slow
def test_every_command_runs_or_is_listed_with_the_reason(project):
    for document in [d for d in documents.documents() if d not in FOLLOWED_ELSEWHERE]:
        for block in documents.blocks(document):
            project.follow(block)
    scores = (project.folder / "data/scores.csv").read_text().splitlines()
    assert scores[0].endswith(",prediction,probability_no,probability_yes")
    assert '"predictions":[{"prediction":' in project.printed["curl"]
    assert '"format": "onnx"' in (project.folder / "artifacts/model/model.json").read_text()


def test_nothing_is_listed_that_no_document_has():
    typed = {
        c for name in documents.documents() for b in documents.blocks(name) for c in b.commands
    }
    _first, *others = NOT_RUN.values()  # a generated project's README has less of the first
    listed = [one for listed in others for one in listed]
    assert [one for one in listed if not any(re.fullmatch(one, each) for each in typed)] == []
