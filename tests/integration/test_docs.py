"""README and docs: all that they name is there, and what can run on a laptop does, in the order of reading."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import typer.main

from ml_template import __main__ as command_line
from ml_template import config_file

from . import documents
from .documents import ROOT

every_document = pytest.mark.parametrize("document", documents.documents())

MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
TARGETS = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.M))

# Commands that the last test does not run (regular expressions), and why; most say who runs them instead.
NOT_RUN = {
    "makes or updates a project, or asks git; the template's own tests do it": (
        r"git (clone|add|commit) .*",
        r"\w+ (gh|https):\S+",
        r"cruft .*",
        r"\.ci/run",
    ),
    "the gates themselves; CI runs them on every change": (
        r"make quality-gates",
        r"make format-check lint type-check",
        r"make security",
        r"make ci-lint",
    ),
    "starts a local AWS; tests/deploy and tests/local do it": (
        r"make local-up( deploy ENV=local)?",
        r"make (status|rollback) ENV=local",
        r"make local-down",
        r"make deploy-test",
    ),
    "needs an account; tests/deploy does it on a local one": (
        r"make (status|rollback) ENV=production",
        r"make deploy-plan ENV=production .*",
    ),
    "needs Terraform; tests/infra is it": (r"make infra-(test|check)",),
    "needs Docker; tests/image does it": (
        r"REPOSITORY=.*",
        r"aws ecr .*",
        r"docker build .*",
        r"make image-train && .*",
        r"make image image-test image-scan",
    ),
    "starts Chromium for its PDF; tests/integration/test_report.py and tests/page do it": (
        r"make report",
    ),
    "names something of yours; tests/integration/test_report.py, test_export.py and test_ci_cost.py do it": (
        r"make report RUN_ID=…",
        r"make export MODEL=\w+@previous",
        r"GITHUB_REPOSITORY=\S+ GITHUB_TOKEN=… make ci-report",
    ),
    "moves the pipelines; tests/unit/test_pipelines.py does it": (r"make ci-switch TO=gitlab",),
    "takes minutes, and its figures are only worth something on a quiet machine": (
        r"make bench.*",
    ),
}

# What the guides begin with, in place of the project's own settings, which may need data that is not here.
CONFIG = """\
experiment: example
registered_model: example
task: classification
data: {source: "sklearn:breast_cancer", target: target}
model: {kind: linear, params: {max_iter: 1000}}
validation: {metric: roc_auc, thresholds: {accuracy: 0.9}}
"""
COPIED = ("*.md", "Makefile", "pyproject.toml", "requirements.txt", "configs", "src", "tests")


@every_document
def test_every_link_leads_somewhere(document):
    folder = (ROOT / document).parent
    assert [link for link in documents.links(document) if not (folder / link).exists()] == []


@every_document
def test_every_path_is_there(document):
    def is_there(path: str) -> bool:
        # The pipelines of the CI systems that were not chosen wait under ci/.
        return any(ROOT.glob(path.rstrip("/"))) or any(ROOT.glob(f"ci/*/{path.rstrip('/')}"))

    assert [path for path in documents.named_paths(document) if not is_there(path)] == []


@pytest.fixture(scope="module")
def variables():
    """What make, the command line and the scripts read from the environment: words in capitals in quotes, or in make's $()."""
    code = [
        path
        for name in ("src", "infra", "tests/bench", "tests/soak")
        for path in (ROOT / name).rglob("*.py")
    ]
    text = "\n".join(path.read_text(encoding="utf-8") for path in code)
    return {
        *re.findall(r"[\"']([A-Z][A-Z0-9_]+)[\"']", text),
        *re.findall(r"\$\((?:\w+ )*([A-Z][A-Z_]+)\)", MAKEFILE),
        *re.findall(r"## .*?\b([A-Z][A-Z_]+)=", MAKEFILE),
    }


@every_document
def test_every_target_and_every_variable_of_make_is_there(document, variables):
    for words in documents.commands(document):
        called = documents.make_words(words)
        if called:
            assert set(called[1]) <= TARGETS, words
            assert set(called[0]) <= variables | {"PREVIOUS_STATUS"}, words


@every_document
def test_every_setting_is_accepted(document, checkout, monkeypatch):
    for block in documents.blocks(document):
        wrong = {command for command, _ in block.sessions}
        for command in set(documents.spans(document)) | set(block.commands) - wrong:
            for name, value in re.findall(r"\b(SET|SERVE_SET|DEPLOY_SET)=\"([^\"…]*)\"", command):
                monkeypatch.setenv(name, value)
                if name == "SET":
                    config_file.load(Path("configs/train.yaml"), value)
                elif name == "SERVE_SET":
                    config_file.load_serve()
                else:
                    config_file.load_deploy("production")


@every_document
def test_every_subcommand_and_every_option_is_there(document):
    known = typer.main.get_command(command_line.app).commands
    for words in documents.commands(document):
        if (
            command_line.__package__ in words
            and words[words.index(command_line.__package__) - 1] == "-m"
        ):
            asked = words[words.index(command_line.__package__) + 1 :]
            assert asked[:1] == [] or asked[0] in known, words
            options = (
                [option for one in known[asked[0]].params for option in one.opts] if asked else []
            )
            assert {word.split("=")[0] for word in asked if word.startswith("--")} <= set(
                options
            ), words


class Project:
    """A scratch copy of this project, in which documents are followed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        own = (
            "CI_CACHE",
            "COVERAGE",
            "GITHUB_",
            "MAKE",
            "MFLAGS",
            "SLACK_",
            "SMTP_",
            "STATUS",
            "SUMMARY",
        )
        kept = {name: value for name, value in os.environ.items() if not name.startswith(own)}
        self.environment = {**kept, "PYTHONPATH": str(folder / "src"), "OMP_NUM_THREADS": "1"}
        self.targets: set[str] = set()
        self.server: subprocess.Popen | None = None
        self.address = ""

    def follow(self, block: documents.Block) -> None:
        if block.file:
            path = self.folder / block.file[0]
            path.write_text(block.file[1], encoding="utf-8")
        for name, old, new in block.changes:
            path = self.folder / name
            text = path.read_text(encoding="utf-8")
            assert (
                text.count(old) == 1
            ), f"{block.document} changes {name}, which has not once: {old}"
            path.write_text(text.replace(old, new), encoding="utf-8")
        for command, printed in block.sessions:
            said = self.run(command)
            assert all(line in said.stdout + said.stderr for line in printed), said
        for command in block.commands:
            if not is_not_run(command) and not self.is_known(block.document, command):
                said = self.start(command) if " serve" in command else self.run(command)
                assert said.returncode in (0, None), (command, said.stdout, said.stderr)

    def is_known(self, document: str, command: str) -> bool:
        """Whether the command is made of targets that have run, outside of the guides."""
        called = documents.make_words(command.split())
        new = bool(called) and not set(called[1]) <= self.targets
        self.targets.update(called[1] if called else [])
        return bool(called) and not new and document not in documents.GUIDES

    def run(self, command: str) -> subprocess.CompletedProcess:
        command = command.replace("http://127.0.0.1:8000", self.address)
        return subprocess.run(
            ["bash", "-c", command],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def start(self, command: str) -> subprocess.Popen:
        """Start what does not end, and wait until it tells its address."""
        self.stop()
        self.server = subprocess.Popen(
            command.split(),
            cwd=self.folder,
            env={**self.environment, "PORT": "0"},
            stdout=subprocess.PIPE,
            text=True,
        )
        for line in self.server.stdout:
            if '"url":' in line:
                self.address = re.search(r'"url":"([^"]+)"', line)[1]
                return self.server
        raise AssertionError(f"{command} ended with {self.server.wait()}")

    def stop(self) -> None:
        if self.server:
            self.server.terminate()
            assert '"event":"ended"' in self.server.communicate(timeout=60)[0]
            self.server = None


def is_not_run(command: str) -> bool:
    return any(re.fullmatch(one, command) for listed in NOT_RUN.values() for one in listed)


@pytest.fixture
def project(tmp_path, empty_store):
    folder = tmp_path / "project"
    folder.mkdir()
    for path in (path for name in COPIED for path in ROOT.glob(name)):
        if path.is_dir():
            shutil.copytree(path, folder / path.name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(path, folder)
    folder.joinpath(".venv").symlink_to(ROOT / ".venv")
    folder.joinpath("configs/train.yaml").write_text(CONFIG)
    shutil.copy(empty_store, folder)
    one = Project(folder)
    yield one
    one.stop()


@pytest.mark.slow
def test_every_command_runs_or_is_listed_with_the_reason(project):
    for document in documents.documents():
        for block in documents.blocks(document):
            project.follow(block)
    scores = (project.folder / "data/scores.csv").read_text().splitlines()
    assert scores[0].endswith(",prediction,probability_no,probability_yes")
    assert '"format": "onnx"' in (project.folder / "artifacts/model/model.json").read_text()


def test_nothing_is_listed_that_no_document_has():
    typed = {
        c for name in documents.documents() for b in documents.blocks(name) for c in b.commands
    }
    own = {"git (clone|add|commit) .*", r"\w+ (gh|https):\S+", r"\.ci/run", r"cruft .*"}  # README's
    listed = [one for listed in NOT_RUN.values() for one in listed if one not in own]
    assert [one for one in listed if not any(re.fullmatch(one, each) for each in typed)] == []
