"""The number of cores: a container's limit on CPU time counts."""

import os

import pytest

from mlops_kit.core import cpu_count


@pytest.fixture
def cgroup(tmp_path, monkeypatch):
    """A folder in place of /sys/fs/cgroup, on a machine of 64 cores."""
    monkeypatch.setattr(cpu_count, "_CGROUP", tmp_path)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)), raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    (tmp_path / "cpu").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("limit", "cores"),
    [
        ("100000 100000", 1),
        ("150000 100000", 2),
        ("5000 100000", 1),
        ("9900000 100000", 64),
        ("max 100000", 64),
        ("-1 100000", 64),
    ],
)
@pytest.mark.parametrize("version", [1, 2])
def test_a_limit_counts(cgroup, version, limit, cores):
    quota, period = limit.split()
    if version == 2:
        (cgroup / "cpu.max").write_text(f"{limit}\n")
    else:
        (cgroup / "cpu" / "cpu.cfs_quota_us").write_text(f"{quota}\n")
        (cgroup / "cpu" / "cpu.cfs_period_us").write_text(f"{period}\n")
    assert cpu_count.cores() == cores


def test_without_a_limit_all_count(cgroup):
    assert cpu_count.cores() == 64
