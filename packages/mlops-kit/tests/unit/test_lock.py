"""requirements.txt and pyproject.toml agree, for every supported Python."""

import re
import sys
from functools import cache
from importlib.metadata import distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[4]
PYTHONS = re.search(r"^PYTHONS := (.*)$", (ROOT / "Makefile").read_text(), re.M).group(1).split()
MAKE = "packages/mlops-kit/src/mlops_kit/make"
LOCKS = [
    "requirements.txt",
    *sorted(str(path.relative_to(ROOT)) for path in (ROOT / "requirements").glob("*.txt")),
    "packages/mlops-kit/tests/requirements.txt",
]
GATES = ["bandit", "black", "isort", "mypy", "pytest", "pytest-cov", "ruff"]
# The Pythons that need another release of a gate tool than the others.
APART = {"bandit": ["3.9"]}


def pyproject_list(name):
    """The texts of one list in pyproject.toml; Python 3.9 and 3.10 have no TOML reader."""
    block = re.search(
        rf"^{name} = \[\n(.*?)^\]", (ROOT / "pyproject.toml").read_text(), re.M | re.S
    )
    return re.findall(r'^    "(.+)",(?:  #.*)?$', block.group(1), re.M)


@cache
def pins(lock="requirements.txt"):
    """Every pin of the lock with its hashes."""
    blocks = re.split(r"^(?=[a-z0-9])", (ROOT / lock).read_text(), flags=re.M)[1:]
    return [
        (Requirement(b.split("\\\n")[0].strip()), re.findall(r"--hash=sha256:[0-9a-f]{64}", b))
        for b in blocks
    ]


def applies(requirement, python):
    """Whether a requirement is one for this Python on Linux."""
    system = {"sys_platform": "linux", "platform_machine": "x86_64", "extra": ""}
    system |= {"platform_python_implementation": "CPython", "implementation_name": "cpython"}
    system |= {"python_version": python, "python_full_version": f"{python}.20"}
    return requirement.marker is None or requirement.marker.evaluate(system)


def locked(name, python, lock="requirements.txt"):
    """The pins of one distribution that apply to one Python on Linux."""
    named = [pin for pin, _ in pins(lock) if canonicalize_name(pin.name) == canonicalize_name(name)]
    return [pin for pin in named if applies(pin, python)]


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize(
    ("name", "lock"), [("dependencies", "requirements.txt"), ("dev", "requirements/dev.txt")]
)
def test_every_direct_dependency_is_locked_to_a_version_that_it_allows(name, lock, python):
    for text in pyproject_list(name):
        wanted = Requirement(text)
        if not applies(wanted, python):
            continue
        found = locked(wanted.name, python, lock)
        assert len(found) == 1, f"{text} on Python {python}: run make lock"
        version = next(iter(found[0].specifier)).version
        assert wanted.specifier.contains(version, prereleases=True), f"{text}: run make lock"


@pytest.mark.parametrize("lock", LOCKS)
def test_every_pin_is_exact_and_hashed(lock):
    assert len(pins(lock)) > 10
    for pin, hashes in pins(lock):
        assert [specifier.operator for specifier in pin.specifier] == ["=="], pin
        assert hashes, pin


@pytest.mark.parametrize("lock", LOCKS[1:])
def test_what_is_brought_in_later_changes_nothing_that_is_there(lock):
    for python in PYTHONS:
        here = {canonicalize_name(p.name): p for p, _ in pins() if applies(p, python)}
        for pin in (p for p, _ in pins(lock) if applies(p, python)):
            there = here.get(canonicalize_name(pin.name), pin)
            assert pin.specifier == there.specifier, f"{pin} on Python {python}: run make lock"


def test_what_a_target_brings_in_is_there_and_not_installed_for_everybody():
    makes = [ROOT / "Makefile", *(ROOT / MAKE).glob("*.mk")]
    named = {name for f in makes for name in re.findall(r"\$\(WITH\)([a-z]+)", f.read_text())}
    assert named == {Path(lock).stem for lock in LOCKS if lock.startswith("requirements/")}
    apart = {
        "black",
        "distributed",
        "mlflow",
        "moto",
        "mypy",
        "onnx",
        "onnxruntime",
        "pytest",
        "zizmor",
    }
    assert {pin.name for pin, _ in pins()} & apart == set()
    assert {"mlflow-skinny", "sqlalchemy"} <= {pin.name for pin, _ in pins()}


def test_lock_keeps_the_extras_that_plain_pip_asks_for():
    # pip takes a pin without the extra for another requirement, which then has no hash.
    python = "{}.{}".format(*sys.version_info)
    asked, lacking = [], []
    for lock in LOCKS:
        names = {canonicalize_name(pin.name) for pin, _ in pins(lock) if applies(pin, python)}
        here = [each for each in distributions() if canonicalize_name(each.name) in names]
        texts = {text for each in here for text in each.requires or [] if "[" in text}
        wanted = [r for r in map(Requirement, texts) if r.extras and applies(r, python)]
        for requirement in wanted:
            pinned = locked(requirement.name, python, lock)
            extras = {extra for pin in pinned for extra in pin.extras}
            lacking += [
                f"{lock}: {requirement.name}[{extra}]"
                for extra in requirement.extras - extras
                if pinned
            ]
        asked += wanted
    assert asked
    assert lacking == []


@pytest.mark.parametrize("tool", GATES)
def test_a_gate_tool_has_one_version_for_all_pythons(tool):
    together = [python for python in PYTHONS if python not in APART.get(tool, [])]
    assert (
        len({str(locked(tool, python, "requirements/dev.txt")[0].specifier) for python in together})
        == 1
    )


@pytest.mark.parametrize("lock", LOCKS)
def test_the_lock_names_no_index_and_no_path(lock):
    lines = (ROOT / lock).read_text().splitlines()
    options = [
        x for x in lines if re.match(r"-|.*(://|file:| @ )", x) and not x.startswith("    #")
    ]
    assert options == []
