"""The Makefile, asked by make itself; nothing is run but --dry-run and what cannot change anything."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = re.findall(r"^([a-z-]+):.*## ", MAKEFILE, re.M)


def make(*words, cwd=ROOT):
    """Run make as from a shell, though these tests may themselves be run by make."""
    clean = {
        k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS", "COVERAGE"))
    }
    return subprocess.run(
        ["make", *words],
        cwd=cwd,
        env=clean,
        capture_output=True,
        text=True,
        check=False,
    )


def commands(*words):
    """What make would run, one line each."""
    done = make("--dry-run", *words)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_help_is_the_default_and_names_every_target_once():
    shown = make().stdout
    assert re.findall(r"^  make ([a-z-]+) ", shown, re.M) == TARGETS
    for group in re.findall(r"^##@ (.*)$", MAKEFILE, re.M):
        assert f"\n{group}\n" in shown


@pytest.mark.parametrize("target", TARGETS)
def test_every_target_installs_first_what_it_needs(target):
    if target in ("help", "clean"):
        return
    done = make("--dry-run", "--always-make", target)
    assert "pip sync" in done.stdout, done.stderr


@pytest.mark.parametrize(
    ("asked", "first", "then"),
    [
        (("register", "validate", "train"), " train", " validate"),
        (("register", "validate", "train"), " validate", " register"),
        (("lint", "format"), "black --quiet src", "ruff check"),
        (("test", "format"), "black --quiet src", "-m pytest"),
    ],
)
def test_the_order_of_goals_on_one_line_does_not_matter(asked, first, then):
    lines = commands(*asked)
    where = [next(i for i, line in enumerate(lines) if part in line) for part in (first, then)]
    assert where == sorted(where), lines


BROKEN = """\
import os
def answer() -> int: return eval("'forty-two'"); unused = 1
"""


def test_the_gates_show_every_failure_at_once(tmp_path):
    for name in ("Makefile", "pyproject.toml", "requirements.txt", "README.md"):
        shutil.copy2(ROOT / name, tmp_path)
    (tmp_path / ".venv").symlink_to(ROOT / ".venv")
    for folder in ("src/broken", "tests/unit", "tests/integration"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "src/broken/__init__.py").write_text(BROKEN)
    (tmp_path / "tests/unit/test_broken.py").write_text("def test_it():\n    assert 1 == 2\n")
    done = make("quality-gates", cwd=tmp_path)
    assert done.returncode == 2
    shown = done.stdout + done.stderr
    failed = set(re.findall(r"\*\*\* \[Makefile:\d+: ([a-z-]+)\]", shown))
    assert {"check-black", "check-isort", "lint", "type-check", "bandit", "test"} <= failed, shown
    assert "assert 1 == 2" in shown
    assert "B307" in shown
    assert "F401" in shown
    assert "all passed" not in shown


@pytest.mark.parametrize("python", ["no-such-python", "/bin/false"])
def test_an_unusable_python_is_one_sentence(python):
    done = make("install", f"PYTHON={python}")
    assert done.returncode == 2
    assert f"error: {python} is not there or is not one of Python 3." in done.stderr


def test_a_copied_folder_runs_its_own_code(tmp_path):
    for name in ("Makefile", "requirements.txt"):
        shutil.copy2(ROOT / name, tmp_path)
    (tmp_path / ".venv").symlink_to(ROOT / ".venv")
    (code,) = [path.parent for path in (ROOT / "src").glob("*/__main__.py")]
    (tmp_path / "src" / code.name).mkdir(parents=True)
    (tmp_path / "src" / code.name / "__init__.py").touch()
    (tmp_path / "src" / code.name / "__main__.py").write_text("print('the copy')")
    assert make("train", cwd=tmp_path).stdout == "the copy\n"


def test_a_run_target_passes_make_variables_to_the_command():
    done = make("train", "CONFIG=no such file.yaml")
    assert done.returncode == 2
    assert "error: configs file no such file.yaml not found (give CONFIG=…)" in done.stderr
