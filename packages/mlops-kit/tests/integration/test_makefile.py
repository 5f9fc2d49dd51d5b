"""The Makefile, asked by make itself; nothing is run but --dry-run and what cannot change anything."""

import json
import os
import re
import shutil
import subprocess
from datetime import datetime, timezone
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[4]
MAKE = "packages/mlops-kit/src/mlops_kit/make"
MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = re.findall(r"^([a-z-]+):.*## ", MAKEFILE, re.M)


def make(*words, cwd=ROOT, **variables):
    """Run make as from a shell, though these tests may themselves be run by make."""
    clean = {
        k: v
        for k, v in os.environ.items()
        if not k.startswith(("MAKE", "MFLAGS", "COVERAGE", "CI_CACHE"))
    }
    return subprocess.run(
        # What a test runs is no build, so where it runs here its times are not noted.
        ["make", *(["TIMER="] if cwd == ROOT else []), *words],
        cwd=cwd,
        env={**clean, **variables},
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


def copy_makefiles(folder, *others):
    """Copy the Makefile with what it includes and what it depends on."""
    for name in ("Makefile", "requirements.txt", *others):
        shutil.copy2(ROOT / name, folder)
    shutil.copytree(ROOT / MAKE, folder / MAKE)


def test_the_gates_show_every_failure_at_once(tmp_path):
    copy_makefiles(tmp_path, "pyproject.toml", "README.md")
    (tmp_path / ".venv").symlink_to(ROOT / ".venv")
    for folder in ("src/broken", "tests/unit", "tests/integration"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "src/broken/__init__.py").write_text(BROKEN)
    (tmp_path / "tests/unit/test_broken.py").write_text("def test_it():\n    assert 1 == 2\n")
    done = make("quality-gates", cwd=tmp_path)
    assert done.returncode == 2
    shown = done.stdout + done.stderr
    failed = set(re.findall(r"\*\*\* \[\S+:\d+: ([a-z-]+)\]", shown))
    assert {"check-black", "check-isort", "lint", "type-check", "bandit", "test"} <= failed, shown
    assert "assert 1 == 2" in shown
    assert "B307" in shown
    assert "F401" in shown
    assert "all passed" not in shown


def test_a_file_that_bandit_cannot_read_fails_its_gate(tmp_path):
    copy_makefiles(tmp_path, "pyproject.toml")
    (tmp_path / ".venv").symlink_to(ROOT / ".venv")
    (tmp_path / "src").mkdir()
    (tmp_path / "src/fine.py").write_text("ANSWER = 42\n")
    assert make("bandit", cwd=tmp_path).returncode == 0
    (tmp_path / "src/broken.py").write_text("def answer(: pass\n")
    done = make("bandit", cwd=tmp_path)
    assert done.returncode == 2
    assert "src/broken.py (syntax error while parsing AST from file)" in done.stdout


# The team's package in place of a command line: it prints what it was called with.
SHOWN = """\
import os
for name in ("PYTHONPATH", "PYTHONHOME", "NO_PROXY", "no_proxy"):
    print(name, os.environ.get(name))
"""


@pytest.fixture
def shown(tmp_path):
    """A function from a caller's variables to those of a command that make runs."""
    copy_makefiles(tmp_path)
    (tmp_path / ".venv").symlink_to(ROOT / ".venv")
    (code,) = [path.parent for path in (ROOT / "src").glob("*/__main__.py")]
    (tmp_path / "src" / code.name).mkdir(parents=True)
    (tmp_path / "src" / code.name / "__init__.py").touch()
    (tmp_path / "src" / code.name / "__main__.py").write_text(SHOWN)

    def show(**variables):
        done = make("train", cwd=tmp_path, **variables)
        assert done.returncode == 0, done.stderr
        return dict(line.split(" ", 1) for line in done.stdout.splitlines())

    return show


def test_code_that_its_caller_has_elsewhere_does_not_reach_a_command(shown, tmp_path):
    (tmp_path / "strange").mkdir()
    (tmp_path / "strange/os.py").write_text("raise SystemExit('a stranger')")
    found = shown(PYTHONPATH=str(tmp_path / "strange"), PYTHONHOME="/nonexistent")
    assert found["PYTHONPATH"] == f"{tmp_path}/src:{tmp_path}/packages/mlops-kit/src"
    assert found["PYTHONHOME"] == "None"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, "127.0.0.1,localhost"),
        ({"NO_PROXY": "a.example"}, "a.example,127.0.0.1,localhost"),
        ({"no_proxy": "b.example", "NO_PROXY": "a"}, "b.example,127.0.0.1,localhost"),
        ({"NO_PROXY": "*"}, "*"),
        ({"NO_PROXY": "127.0.0.1"}, "127.0.0.1"),
    ],
)
def test_loopback_never_goes_to_a_proxy(shown, given, expected):
    found = shown(HTTP_PROXY="http://127.0.0.1:9", **{"NO_PROXY": "", "no_proxy": "", **given})
    assert (found["NO_PROXY"], found["no_proxy"]) == (expected, expected)


# The variables of a caller that a line of the Makefile names; those that make itself sets are not among them.
NAMED = {"CI_CACHE", "ENV", "IMAGE_TAG", "PYTHON", "RESUME"}


@pytest.mark.parametrize("name", sorted(NAMED))
def test_what_make_would_expand_is_refused(name, tmp_path):
    (tmp_path / "ran").write_text("no")
    done = make("--dry-run", "deploy", **{name: f"$(shell echo yes >{tmp_path}/ran)"})
    assert done.returncode == 2
    assert f"error: {name} has a $ in it" in done.stderr
    assert (tmp_path / "ran").read_text() == "no"


def test_every_variable_that_a_line_names_is_refused_or_made_by_make():
    files = [ROOT / "Makefile", *(ROOT / MAKE).glob("*.mk")]
    text = "\n".join(line for f in files for line in f.read_text().splitlines() if line[:1] != "#")
    made = set(re.findall(r"^(?:export )?([A-Za-z_]+) *[:?]?=", text, re.M))
    makes_own = {"CURDIR", "MAKE", "MAKECMDGOALS", "MAKEFILE_LIST", "MAKEFLAGS"}
    referenced = set(re.findall(r"(?<!\$)\$\(([A-Z_]+)\)", text))
    assert referenced - made - makes_own == NAMED


def test_an_environment_whose_interpreter_is_gone_is_made_anew(tmp_path):
    copy_makefiles(tmp_path)
    (tmp_path / ".venv/bin").mkdir(parents=True)
    (tmp_path / ".venv/.installed").touch()
    (tmp_path / ".venv/bin/python").symlink_to(ROOT / ".venv/bin/python")
    assert "pip sync" not in make("--dry-run", "install", cwd=tmp_path).stdout
    (tmp_path / ".venv/bin/python").unlink()
    (tmp_path / ".venv/bin/python").symlink_to(tmp_path / "gone")
    assert "pip sync" in make("--dry-run", "install", cwd=tmp_path).stdout


@pytest.mark.parametrize("python", ["no-such-python", "/bin/false"])
def test_an_unusable_python_is_one_sentence(python):
    done = make("install", f"PYTHON={python}")
    assert done.returncode == 2
    assert f"error: {python} is not there or is not one of Python 3." in done.stderr


def test_a_copied_folder_runs_its_own_code(tmp_path):
    copy_makefiles(tmp_path)
    (tmp_path / ".venv").symlink_to(ROOT / ".venv")
    (code,) = [path.parent for path in (ROOT / "src").glob("*/__main__.py")]
    (tmp_path / "src" / code.name).mkdir(parents=True)
    (tmp_path / "src" / code.name / "__init__.py").touch()
    (tmp_path / "src" / code.name / "__main__.py").write_text("print('the copy')")
    assert make("train", cwd=tmp_path).stdout == "the copy\n"


# A command line that says what it is asked for; `validate` fails, and `register` ends by a signal as a program may.
COMMAND_LINE = """\
import signal, sys

def ended(number, frame):
    print("ended by make")
    sys.exit(5)

asked = sys.argv[1]
print(asked, flush=True)
if asked == "register":
    signal.signal(signal.SIGTERM, ended)
    print("waits", flush=True)
    signal.pause()
sys.exit(3 if asked == "validate" else 0)
"""


@pytest.fixture
def timed_folder(tmp_path):
    """A checkout whose command line does next to nothing, with what times the targets."""
    copy_makefiles(tmp_path)
    (tmp_path / ".venv").symlink_to(ROOT / ".venv")
    timer = "packages/mlops-kit/src/mlops_kit/ci/metrics/timed.py"
    (tmp_path / timer).parent.mkdir(parents=True)
    shutil.copy2(ROOT / timer, tmp_path / timer)
    (code,) = [path.parent for path in (ROOT / "src").glob("*/__main__.py")]
    (tmp_path / "src" / code.name).mkdir(parents=True)
    (tmp_path / "src" / code.name / "__init__.py").touch()
    (tmp_path / "src" / code.name / "__main__.py").write_text(COMMAND_LINE)
    return tmp_path


def noted(folder):
    """The lines of reports/ci-times.jsonl."""
    path = folder / "reports/ci-times.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_what_a_target_took_is_one_line(timed_folder):
    before = datetime.now(timezone.utc)
    assert make("train", cwd=timed_folder).stdout == "train\n"
    assert make("validate", cwd=timed_folder).returncode == 2
    train, validate = noted(timed_folder)
    assert (train["target"], train["exit"]) == ("train", 0)
    assert (validate["target"], validate["exit"]) == ("validate", 3)
    assert 0 < train["seconds"] < 30
    assert before < datetime.fromisoformat(train["started"]) < datetime.now(timezone.utc)
    assert (train["commit"], train["cache_hit"]) == ("", True)
    assert train["runner"].endswith(f"{os.cpu_count()} cores")


def test_the_lines_of_a_recipe_count_together(timed_folder):
    assert make("pipeline", cwd=timed_folder).returncode == 2
    (line,) = noted(timed_folder)
    assert (line["target"], line["exit"]) == ("pipeline", 3)
    assert make("train", "train", cwd=timed_folder).returncode == 0
    assert [line["target"] for line in noted(timed_folder)] == ["pipeline", "train"]


def test_a_cache_counts_as_restored_where_it_was_there_at_the_beginning(timed_folder):
    cache = timed_folder / "cache"
    for _ in range(2):
        make("train", "CI_CACHE=cache", cwd=timed_folder)
        cache.mkdir(exist_ok=True)
        (cache / "filled").touch()
    make("ci-times", "CI_CACHE=cache", cwd=timed_folder)  # the next line is of another build
    make("lint", "CI_CACHE=cache", cwd=timed_folder)
    assert [(line["target"], line["cache_hit"]) for line in noted(timed_folder)] == [
        ("train", False),
        ("train", False),
        ("ci-times", False),
        ("lint", True),
    ]


def test_a_dry_run_and_help_take_no_time(timed_folder):
    assert "-m mypy" in make("--dry-run", "quality-gates", cwd=timed_folder).stdout
    make("help", cwd=timed_folder)
    assert noted(timed_folder) == []


def test_who_ends_make_ends_what_it_runs(timed_folder):
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS"))}
    process = subprocess.Popen(
        ["make", "register"], cwd=timed_folder, env=clean, stdout=subprocess.PIPE, text=True
    )
    assert [process.stdout.readline() for _ in range(2)] == ["register\n", "waits\n"]
    process.terminate()
    said, _ = process.communicate(timeout=60)
    assert "ended by make" in said
    (line,) = noted(timed_folder)
    assert (line["target"], line["exit"]) == ("register", 5)


def test_a_run_target_passes_make_variables_to_the_command():
    done = make("train", "CONFIG=no such file.yaml")
    assert done.returncode == 2
    assert "error: configs file no such file.yaml not found (give CONFIG=…)" in done.stderr


def test_without_the_kit_one_sentence_says_how_to_get_it_back(tmp_path):
    copy_makefiles(tmp_path)
    shutil.rmtree(tmp_path / "packages")
    done = make("train", cwd=tmp_path)
    assert done.returncode == 2
    assert "error: no packages/mlops-kit here, and no mlops-kit in requirements.txt:" in done.stderr
