"""The Makefile, asked by make itself; nothing is run but --dry-run and what cannot change anything."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
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
    """The commands that make would run, one a line."""
    done = make("--dry-run", *words)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_help_is_the_default_and_names_every_target_once():
    shown = make().stdout
    assert re.findall(r"^  make ([a-z-]+) ", shown, re.M) == TARGETS
    for group in re.findall(r"^##@ (.*)$", MAKEFILE, re.M):
        assert f"\n{group}\n" in shown


def test_all_targets_fit_80_columns():
    shown = make("help-all").stdout
    assert max(map(len, shown.splitlines())) <= 80
    text = " ".join(shown.split())
    for file in (ROOT / MAKE).glob("*.mk"):
        for target, words in re.findall(r"^([a-z-]+):.*## (.*)$", file.read_text(), re.M):
            assert f"make {target} {words}" in text


@pytest.mark.parametrize("target", TARGETS)
def test_every_target_installs_first_what_it_needs(target):
    if target in ("help", "clean"):
        return
    done = make("--dry-run", "--always-make", target)
    assert "pip sync" in done.stdout, done.stderr


@pytest.mark.parametrize(
    ("words", "brought"),
    [
        (["pipeline", "report", "monitor", "image"], []),
        (["export", "serve", "predict"], ["serving"]),
        (["deploy", "ENV=staging"], []),
        (["deploy", "monitor", "ENV=local"], ["local"]),
        (["quality-gates"], ["dev", "serving"]),
        (["type-check", "image-test"], ["dev"]),
        (["image-scan"], ["dev"]),
        (["search"], ["cluster"]),
        (["predict", "DASK_SCHEDULER=tcp://127.0.0.1:8786"], ["serving", "cluster"]),
        (["ci-lint"], ["dev"]),
        (["mlflow-ui"], ["mlflow"]),
    ],
)
def test_what_only_some_targets_need_is_installed_with_them(words, brought):
    lines = commands("--always-make", "-j1", *words)
    found = re.findall(r"pip install .* --requirement requirements/(\w+)\.txt", "\n".join(lines))
    assert list(dict.fromkeys(found)) == brought  # the gates' own make says it again


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
    shutil.copytree(ROOT / "requirements", folder / "requirements")
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


def test_callers_pythonpath_does_not_reach_commands(shown, tmp_path):
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
NAMED = {"ACCELERATOR", "CI_CACHE", "ENV", "IMAGE_TAG", "PYTHON", "RESUME"}


@pytest.mark.parametrize("name", sorted(NAMED))
def test_what_make_would_expand_is_refused(name, tmp_path):
    (tmp_path / "ran").write_text("no")
    done = make("--dry-run", "deploy", **{name: f"$(shell echo yes >{tmp_path}/ran)"})
    assert done.returncode == 2
    assert f"error: {name} has a $ in it" in done.stderr
    assert (tmp_path / "ran").read_text() == "no"


def test_every_named_variable_is_refused_or_set_by_make():
    files = [ROOT / "Makefile", *(ROOT / MAKE).glob("*.mk")]
    text = "\n".join(line for f in files for line in f.read_text().splitlines() if line[:1] != "#")
    made = set(re.findall(r"^(?:export )?([A-Za-z_]+) *[:?]?=", text, re.M))
    makes_own = {"CURDIR", "MAKE", "MAKECMDGOALS", "MAKEFILE_LIST", "MAKEFLAGS", "MAKE_VERSION"}
    referenced = set(re.findall(r"(?<!\$)\$\(([A-Z_]+)\)", text))
    assert referenced - made - makes_own == NAMED


def test_no_recipe_names_a_secret():
    """Every user of the machine can read a command line: the environment hands them on."""
    files = [ROOT / "Makefile", *(ROOT / MAKE).glob("*.mk")]
    recipes = [line for file in files for line in file.read_text().splitlines() if line[:1] == "\t"]
    assert len(recipes) > 100
    secret = re.compile(r"(?i)token|password|api_key|secret|webhook|smtp")
    assert [line for line in recipes if secret.search(line)] == []


def test_only_locks_that_are_read_at_the_root_name_a_folder_of_wheels():
    text = "\n".join(commands("lock", "infra-lock")).replace("\\\n", " ")
    compiled = [line for line in text.splitlines() if "pip compile" in line]
    named = [line for line in compiled if "--no-emit-find-links" not in line]
    files = [re.findall(r"--output-file (\S+)", line)[-1] for line in named]
    assert files == ["requirements.txt", "docker/requirements-$form.txt"]
    assert len(compiled) == 6


def test_the_scan_of_the_lock_is_a_gate():
    called = commands("quality-gates", "-j1")
    assert any(line.endswith("-m ml_template audit") for line in called)
    assert any(" -m bandit " in line for line in called)


def test_an_environment_whose_interpreter_is_gone_is_made_anew(tmp_path):
    copy_makefiles(tmp_path)
    (tmp_path / ".venv/bin").mkdir(parents=True)
    (tmp_path / ".venv/.installed").touch()
    (tmp_path / ".venv/bin/python").symlink_to(ROOT / ".venv/bin/python")
    words = ("--dry-run", "install")  # of another PYTHON it would be made anew as well
    assert "pip sync" not in make(*words, cwd=tmp_path, PYTHON="").stdout
    (tmp_path / ".venv/bin/python").unlink()
    (tmp_path / ".venv/bin/python").symlink_to(tmp_path / "gone")
    assert "pip sync" in make(*words, cwd=tmp_path, PYTHON="").stdout


@pytest.mark.parametrize("python", ["no-such-python", "/bin/false"])
def test_an_unusable_python_is_one_sentence(python):
    done = make("install", f"PYTHON={python}")
    assert done.returncode == 2
    assert f"error: {python} is not there or is not one of Python 3." in done.stderr


def test_an_older_make_is_one_sentence():
    done = make(".FEATURES=", "train")
    assert done.returncode == 2
    assert "; accepted: GNU make 3.81 or newer" in done.stderr


@pytest.fixture
def python_without_venv(tmp_path):
    """A Python as a Debian has it that lacks python3-venv."""
    python = tmp_path / "python"
    python.write_text(
        f'#!/bin/sh\ntest "$1" != -m || {{ echo "No module named $2" >&2; exit 1; }}\nexec {sys.executable} "$@"\n'
    )
    python.chmod(0o755)
    return str(python)


def test_a_python_without_venv_is_one_sentence(tmp_path, python_without_venv):
    copy_makefiles(tmp_path)
    done = make("install", f"PYTHON={python_without_venv}", cwd=tmp_path)
    assert done.returncode == 2
    assert "No module named venv\nerror: Python 3." in done.stderr
    assert "could not make .venv, see above (Debian, Ubuntu: apt" in done.stderr


def test_kit_as_wheel_reports_the_same(tmp_path, python_without_venv):
    copy_makefiles(tmp_path)
    shutil.rmtree(tmp_path / "packages")
    for python, output in ((python_without_venv, "No module named venv"), ("none", "not found")):
        done = make("train", f"PYTHON={python}", cwd=tmp_path)
        assert done.returncode == 2
        assert output in done.stderr
        assert f"error: {python} could not make .kit/venv, see above" in done.stderr


def test_scripts_are_not_passed_over_where_git_does_not_list_them(tmp_path):
    copy_makefiles(tmp_path)
    (tmp_path / ".venv").symlink_to(ROOT / ".venv")
    done = make("lint-shell", cwd=tmp_path, GIT_CEILING_DIRECTORIES=str(tmp_path.parent))
    assert done.returncode == 2
    assert "\nerror: git, which knows the scripts, is missing or failed, see above" in done.stderr


def test_a_copied_folder_runs_its_own_code(tmp_path):
    copy_makefiles(tmp_path)
    (tmp_path / ".venv").symlink_to(ROOT / ".venv")
    (code,) = [path.parent for path in (ROOT / "src").glob("*/__main__.py")]
    (tmp_path / "src" / code.name).mkdir(parents=True)
    (tmp_path / "src" / code.name / "__init__.py").touch()
    (tmp_path / "src" / code.name / "__main__.py").write_text("print('the copy')")
    assert make("train", cwd=tmp_path).stdout == "the copy\n"


# A command line that prints its arguments; `validate` fails, and `register` ends by a signal as a program may.
COMMAND_LINE = """\
import signal, sys

def ended(number, frame):
    print("ended by make")
    sys.exit(5)

asked = sys.argv[1]
print(asked, flush=True)
if asked == "register":
    signal.signal(signal.SIGTERM, ended)
    open("waits", "w").close()
    print("waits", flush=True)
    signal.pause()
sys.exit(3 if asked == "validate" else 0)
"""


@pytest.fixture
def timed_folder(tmp_path):
    """A checkout whose command line does next to nothing, with what times the targets."""
    copy_makefiles(tmp_path)
    (tmp_path / ".venv").symlink_to(ROOT / ".venv")
    timer = "packages/mlops-kit/src/mlops_kit/ci/metrics"
    shutil.copytree(ROOT / timer, tmp_path / timer)
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


def test_each_gate_is_a_line_when_it_ends_and_its_output_one_piece(timed_folder):
    done = make("quality-gates", "GATES=train validate export", cwd=timed_folder)
    assert done.returncode == 2
    first, *lines, last = done.stdout.splitlines()
    assert first == "quality gates: train validate export, side by side"
    shown = [re.sub(r" +[\d.]+ s$", " s", line) for line in lines]
    for state, target in (("passed", "train"), ("FAILED", "validate"), ("passed", "export")):
        where = shown.index(f"{state}  {target} s")
        assert shown[where + 1] == target  # its own output
    assert last.startswith("quality gates: FAILED: validate (")
    assert {line["target"]: line["exit"] for line in noted(timed_folder)} == {
        "train": 0,
        "validate": 3,
        "export": 0,
        "quality-gates": 2,
    }
    done = make("-j2", "quality-gates", "GATES=train export", cwd=timed_folder)
    assert done.stdout.endswith("\nquality gates: all passed\n")


def test_without_python3_the_venv_times_the_gates(timed_folder, tmp_path):
    (tmp_path / "bin").mkdir()
    for tool in ("awk", "env", "getconf", "make", "sh", "uname"):
        (tmp_path / "bin" / tool).symlink_to(shutil.which(tool))
    done = make("quality-gates", "GATES=train", cwd=timed_folder, PATH=str(tmp_path / "bin"))
    assert done.returncode == 0, done.stderr
    assert "\npassed  train " in done.stdout
    assert [line["target"] for line in noted(timed_folder)] == ["train", "quality-gates"]


def test_ending_make_ends_its_gates(timed_folder):
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS"))}
    process = subprocess.Popen(
        ["make", "quality-gates", "GATES=train register"],
        cwd=timed_folder,
        env=clean,
        stdout=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    while not (timed_folder / "waits").exists():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.terminate()
    assert "\nended by make\n" in process.communicate(timeout=60)[0]


def test_the_lines_of_a_recipe_count_together(timed_folder):
    (timed_folder / "tests").mkdir()
    assert make("format", cwd=timed_folder).returncode == 0
    (line,) = noted(timed_folder)
    assert (line["target"], line["exit"]) == ("format", 0)
    assert make("train", "train", cwd=timed_folder).returncode == 0
    assert [line["target"] for line in noted(timed_folder)] == ["format", "train"]


def test_pipeline_is_one_process_but_with_an_accelerator(timed_folder):
    assert make("pipeline", cwd=timed_folder).stdout == "pipeline\n"
    assert make("pipeline", ACCELERATOR="cpu", cwd=timed_folder).stdout == "pipeline\n"
    done = make("pipeline", "ACCELERATOR=cuml", cwd=timed_folder)
    assert (done.returncode, done.stdout) == (2, "train\nvalidate\n")
    assert noted(timed_folder)[-1]["exit"] == 3


def test_cache_hit_needs_files_at_the_start(timed_folder):
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


def test_a_broken_line_is_dropped_and_the_times_go_on(timed_folder):
    make("train", cwd=timed_folder)
    path = timed_folder / "reports/ci-times.jsonl"
    whole = path.read_text()
    path.write_text(whole + "{}\n[1]\n" + whole[:20])
    make("validate", cwd=timed_folder)
    assert [line["target"] for line in noted(timed_folder)] == ["train", "validate"]


def test_a_dry_run_and_help_take_no_time(timed_folder):
    assert "-m mypy" in make("--dry-run", "quality-gates", cwd=timed_folder).stdout
    make("help", cwd=timed_folder)
    assert noted(timed_folder) == []


def test_ending_make_ends_its_command(timed_folder):
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS"))}
    process = subprocess.Popen(
        ["make", "register"], cwd=timed_folder, env=clean, stdout=subprocess.PIPE, text=True
    )
    assert [process.stdout.readline() for _ in range(2)] == ["register\n", "waits\n"]
    process.terminate()
    output, _ = process.communicate(timeout=60)
    assert "ended by make" in output
    (line,) = noted(timed_folder)
    assert (line["target"], line["exit"]) == ("register", 5)


def test_a_run_target_passes_make_variables_to_the_command():
    done = make("train", "CONFIG=no such file.yaml")
    assert done.returncode == 2
    assert "error: configs file no such file.yaml not found (give CONFIG=…)" in done.stderr


def test_missing_kit_is_one_sentence_with_the_command(tmp_path):
    copy_makefiles(tmp_path)
    shutil.rmtree(tmp_path / "packages")
    done = make("train", cwd=tmp_path)
    assert done.returncode == 2
    assert "error: no packages/mlops-kit here, and no mlops-kit in requirements.txt:" in done.stderr
