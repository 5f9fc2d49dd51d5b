"""Comparing packages/ with its release."""

import hashlib

import pytest

from mlops_kit.ci import kit_check
from mlops_kit.core.errors import UserError


@pytest.fixture
def packages(checkout):
    """A released folder with one file."""
    folder = checkout / kit_check.FOLDER
    (folder / "kit").mkdir(parents=True)
    (folder / "kit/a.py").write_text("a = 1\n")
    digest = hashlib.sha256(b"a = 1\n").hexdigest()
    kit_check.SUMS.write_text(f"{digest}  kit/a.py\n")
    return folder


def test_released_folder_has_no_differences(packages):
    (packages / "kit/__pycache__").mkdir()
    (packages / "kit/__pycache__/a.pyc").write_bytes(b"")
    assert kit_check.differences() == []


def test_changed_added_and_missing_files_are_named(packages):
    (packages / "kit/b.py").write_text("")
    (packages / "kit/a.py").write_text("a = 2\n")
    assert kit_check.differences() == [
        "packages/kit/a.py differs from the release",
        "packages/kit/b.py is not part of the release",
    ]
    (packages / "kit/a.py").unlink()
    assert kit_check.differences()[0] == "packages/kit/a.py is missing"


def test_distribution_without_files_is_one_line_unless_it_is_the_kit(packages):
    released = kit_check.SUMS.read_text()
    others = ("ecs-local/a.py", "ecs-local/b.py", f"{kit_check.KIT}/a.py")
    kit_check.SUMS.write_text(released + "".join(f"0  {name}\n" for name in others))
    assert kit_check.differences() == ["packages/ecs-local is missing"]


def test_without_sums_it_is_a_sentence(checkout):
    with pytest.raises(UserError, match="packages/SHA256SUMS not found"):
        kit_check.differences()


def test_damaged_sums_are_a_sentence(packages):
    kit_check.SUMS.write_text("nonsense\n")
    with pytest.raises(UserError, match="packages/SHA256SUMS is damaged"):
        kit_check.differences()
