"""How many threads fit: one on small data, else those that other processes leave free."""

import os

import pytest

from mlops_kit.core import cpu_count
from mlops_kit.experiments import training

LARGE = 100_000_000


@pytest.fixture
def machine(monkeypatch):
    """A function that sets the cores of the machine and its load of the last minute."""

    def make(cores, load):
        monkeypatch.setattr(cpu_count, "cores", lambda: cores)
        monkeypatch.setattr(os, "getloadavg", lambda: (load, 0.0, 0.0))

    return make


@pytest.mark.parametrize(("load", "expected"), [(0.0, 4), (1.0, 4), (2.2, 3), (9.0, 1)])
def test_others_are_left_their_cores_and_the_process_itself_is_no_other(machine, load, expected):
    machine(4, load)
    assert training.threads(LARGE) == expected


def test_small_data_is_fitted_by_one_thread(machine):
    machine(64, 0.0)
    assert training.threads(1000) == 1
