"""The kit's wheel holds all that runs, so that it can take the place of the folder."""

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from mlops_kit.delivery.image import kit_source

KIT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built as a release builds it."""
    folder = tmp_path_factory.mktemp("wheel")
    uv = Path(sys.executable).with_name("uv")
    subprocess.run([uv, "build", "--quiet", "--wheel", "--out-dir", folder, KIT], check=True)
    (built,) = folder.glob("*.whl")
    return zipfile.ZipFile(built)


def test_every_file_of_the_source_is_in_the_wheel(wheel):
    source = KIT / "src"
    files = {path.relative_to(source).as_posix() for path in source.rglob("*") if path.is_file()}
    packed = {name for name in wheel.namelist() if not name.endswith("/")}
    assert {name for name in files if "__pycache__" not in name} == {
        name for name in packed if ".dist-info/" not in name
    }


def test_nothing_that_runs_is_outside_of_the_source():
    found = {path.name for path in KIT.iterdir() if path.name[0] not in "._"}
    assert found == {"CHANGELOG.md", "README.md", "docs", "pyproject.toml", "src", "tests"}


def test_code_names_its_own_folder_nowhere_else():
    """A path into the folder is wrong where the kit is a wheel."""
    named = re.compile(r'"packages/mlops-kit')
    files = [path for path in (KIT / "src").rglob("*.py") if named.search(path.read_text())]
    assert files == [Path(kit_source.__file__)]
