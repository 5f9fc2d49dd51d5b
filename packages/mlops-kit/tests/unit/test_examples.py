"""The examples in docstrings hold."""

import doctest
import importlib
from pathlib import Path

import pytest

import mlops_kit

PACKAGE = Path(mlops_kit.__file__).parent
FILES = [file for file in PACKAGE.rglob("*.py") if ">>>" in file.read_text(encoding="utf-8")]
MODULES = sorted(".".join(file.relative_to(PACKAGE.parent).with_suffix("").parts) for file in FILES)


def test_there_are_examples():
    assert MODULES


@pytest.mark.parametrize("name", MODULES)
def test_examples_hold(name):
    done = doctest.testmod(importlib.import_module(name))
    assert done.attempted
    assert not done.failed
