"""What the tests of the template share: a copy of the template in a git repository, and projects made from it."""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

try:
    from cookiecutter.generate import generate_context
    from cookiecutter.main import cookiecutter
    from cookiecutter.prompt import prompt_for_config
except ImportError:
    # `make test` in the project's own environment; .ci/run installs requirements.txt beside this and runs these.
    collect_ignore_glob = ["test_*.py"]

ROOT = Path(__file__).parents[2]

ODD = "It's 100% #1: $HOME & <b> `x` | [a]* @x !y ~z? – ümläut 🚀"

# Answers that are allowed, and hard to write into TOML, YAML, Python, make or Markdown.
HARD = {
    "one-letter": {"project_name": "X"},
    "forty-letters": {
        "project_name": "Donaudampfschifffahrtselektrizitaetswerk",
        "python_versions": "3.10-3.14",
        "license": "Apache-2.0",
        "github_org": "o",
        "aws_region": "ap-northeast-3",
    },
    "unicode": {
        "project_name": "Señor O'Brien’s Größe: 山田 #1 🚀",
        "project_slug": "x9-y",
        "package_name": "zed_2",
        "description": ODD,
        "author_name": "Zoë O'Neil: 'Ph.D.', & Söhne",
        "author_email": "zoe.o'neil+ml@sub.example.org",
        "license": "Proprietary",
        "python_versions": "3.11-3.14",
        "aws_region": "ap-southeast-2",
    },
    "widest": {
        "project_name": "測" * 60,
        "project_slug": "w" * 40,
        "package_name": "w" * 40,
        "license": "BSD-3-Clause",
        "python_versions": "3.14",
        "aws_region": "us-east-1",
    },
}


@pytest.fixture(scope="session", autouse=True)
def nobodys_settings(tmp_path_factory):
    """Keep the settings of the user who runs this away from cookiecutter and git, which then has no identity."""
    home = tmp_path_factory.mktemp("settings")
    dirs = {f"{name}_dir": str(home / name) for name in ("cookiecutters", "replay")}
    (home / "cookiecutter.yaml").write_text(yaml.safe_dump(dirs))
    (home / "gitconfig").write_text("[safe]\n\tdirectory = *\n")
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("GIT_")]:
            patch.delenv(name)
        patch.setenv("COOKIECUTTER_CONFIG", str(home / "cookiecutter.yaml"))
        patch.setenv("GIT_CONFIG_GLOBAL", str(home / "gitconfig"))
        patch.setenv("GIT_CONFIG_NOSYSTEM", "1")
        yield


def run_git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=Tests", "-c", "user.email=tests@example.com")
    command = ["git", *identity, *arguments]
    return subprocess.run(
        command, cwd=folder, check=True, stdout=subprocess.PIPE, encoding="utf-8"
    ).stdout


@pytest.fixture(scope="session")
def git():
    return run_git


@pytest.fixture(scope="session")
def tracked(nobodys_settings) -> list[str]:
    """The files of the template, new ones that nobody has added yet included."""
    listed = run_git(ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    names = set(listed.split("\0")) - {""}
    return sorted(name for name in names if os.path.lexists(ROOT / name) and name[-1] != "/")


def copy_files(names: list[str], target: Path) -> None:
    for name in names:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, target / name, follow_symlinks=False)


@pytest.fixture(scope="session")
def template(tmp_path_factory, tracked) -> Path:
    """The template as it is now, in a repository of its own."""
    folder = tmp_path_factory.mktemp("template") / "repository"
    folder.mkdir()
    copy_files(tracked, folder)
    run_git(folder, "init", "--quiet", "--initial-branch=main")
    run_git(folder, "add", "--all", "--force")
    run_git(folder, "commit", "--quiet", "--message", "The template as it is now")
    return folder


def generate_project(
    template: Path, output: Path, accept_hooks: bool = True, **answers: str
) -> Path:
    made = cookiecutter(
        str(template),
        no_input=True,
        extra_context=answers,
        output_dir=str(output),
        accept_hooks=accept_hooks,
    )
    return Path(made)


@pytest.fixture(scope="session")
def generate():
    return generate_project


@pytest.fixture(scope="session")
def cookiecutter_api():
    return cookiecutter


def resolve_answers(template: Path, given: dict[str, str]) -> dict[str, str]:
    """Return all answers, the ones that follow from others included, as cookiecutter works them out."""
    context = generate_context(str(template / "cookiecutter.json"), extra_context=given)
    return dict(prompt_for_config(context, no_input=True))


@pytest.fixture(scope="session")
def resolve():
    return resolve_answers


@pytest.fixture(scope="session")
def default_project(template, tmp_path_factory) -> Path:
    return generate_project(template, tmp_path_factory.mktemp("default"))


@pytest.fixture(scope="session")
def hard_projects() -> dict[str, Path]:
    return {}


@pytest.fixture(scope="session")
def hard() -> dict[str, dict[str, str]]:
    return HARD


@pytest.fixture(params=sorted(HARD))
def hard_answers(request) -> dict[str, str]:
    return HARD[request.param]


@pytest.fixture
def hard_project(hard_answers, hard_projects, template, tmp_path_factory) -> Path:
    """A project with hard names, made once for all tests; they only read it."""
    name = hard_answers["project_name"]
    if name not in hard_projects:
        output = tmp_path_factory.mktemp("hard")
        hard_projects[name] = generate_project(template, output, **hard_answers)
    return hard_projects[name]


def load_hook(name: str):
    spec = importlib.util.spec_from_file_location(name, ROOT / "hooks" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def pre_gen():
    return load_hook("pre_gen_project")


@pytest.fixture(scope="session")
def post_gen():
    return load_hook("post_gen_project")


@pytest.fixture(scope="session")
def leaving():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "hooks"))
        return importlib.import_module("leave_out")


def read_tree(folder: Path) -> dict[str, tuple[bool, bytes]]:
    """All files but git's and cruft's, each with whether it can be executed."""
    files = (path for path in folder.rglob("*") if path.is_file())
    names = {path.relative_to(folder): path for path in files}
    return {
        name.as_posix(): (os.access(path, os.X_OK), path.read_bytes())
        for name, path in names.items()
        if name.parts[0] not in (".git", ".cruft.json")
    }


@pytest.fixture(scope="session")
def tree():
    return read_tree


@pytest.fixture(scope="session")
def make(tmp_path_factory):
    """A function that runs make in a project, with the environment that runs this in place of .venv."""
    stamp = tmp_path_factory.mktemp("make") / "installed"
    # Without notes of what it took, which other tests would find in the project.
    settings = [f"BIN={Path(sys.executable).parent}", f"INSTALLED={stamp}", "TIMER="]
    settings.append(f"WITH={stamp.with_name('with-')}")
    stamps = [stamp, stamp.with_name("with-dev")]

    def run(project: Path, *words: str) -> str:
        for each in stamps:
            each.touch()  # newer than the project's locks
        done = subprocess.run(
            ["make", *settings, *words],
            cwd=project,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            encoding="utf-8",
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


MENTIONS = re.compile(r"ml[\W_]{0,3}template|cookiecutter", re.IGNORECASE)


def find_mentions(folder: Path) -> list[str]:
    """Every place in a project that still has a name of the reference project, or speaks of how it was made."""
    found = []
    for name, (_, content) in read_tree(folder).items():
        text = f"{name}\n{content.decode(errors='replace')}"
        found += [f"{name}: {line}" for line in text.splitlines() if MENTIONS.search(line)]
    return found


@pytest.fixture(scope="session")
def mentions():
    return find_mentions


def check_soundness(folder: Path, answers: dict[str, str]) -> None:
    """Every file that a program reads can still be read, and has the answers."""
    metadata = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert metadata["name"] == answers["project_slug"] == folder.name
    assert metadata["description"] == answers["description"]
    author = {"name": answers["author_name"], "email": answers["author_email"]}
    assert metadata["authors"] == [author]
    assert (folder / "src" / answers["package_name"] / "__init__.py").is_file()
    for path in folder.rglob("*.py"):
        compile(path.read_bytes(), path, "exec")
    for pattern in ("*.yaml", "*.yml"):
        for path in folder.rglob(pattern):
            assert yaml.safe_load(path.read_text(encoding="utf-8"))
    for path in folder.rglob("*.json"):
        json.loads(path.read_text(encoding="utf-8"))
    settings = yaml.safe_load((folder / "configs" / "train.yaml").read_text(encoding="utf-8"))
    assert settings["registered_model"] == answers["project_slug"]


@pytest.fixture(scope="session")
def assert_sound():
    return check_soundness
