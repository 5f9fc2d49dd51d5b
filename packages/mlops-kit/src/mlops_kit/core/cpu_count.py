"""The number of CPU cores."""

from __future__ import annotations

import math
import os
from contextlib import suppress
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")  # in a container, its own

# The files with a quota and its period, both in microseconds; without a limit, the quota is "max" or -1.
_QUOTAS = (
    ("cpu.max",),  # version 2
    ("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us"),  # version 1
)


def cores() -> int:
    """Return how many cores this process may use; a container's limit on CPU time counts, rounded up."""
    if hasattr(os, "sched_getaffinity"):  # Linux
        return min(len(os.sched_getaffinity(0)), _quota())
    return os.cpu_count() or 1


def _quota() -> int:
    for names in _QUOTAS:
        with suppress(OSError, ValueError):  # another version, or no limit
            texts = [(_CGROUP / name).read_text() for name in names]
            quota, period = map(int, " ".join(texts).split())
            if quota > 0:
                return math.ceil(quota / period)
    return os.cpu_count() or 1
