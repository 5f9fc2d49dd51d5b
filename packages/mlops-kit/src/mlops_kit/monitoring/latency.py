"""The latency of a version's requests."""

from __future__ import annotations

from dataclasses import dataclass

from .recorded_rows import Window


@dataclass(frozen=True)
class Latency:
    """The median and the 99th percentile of `requests` requests, in milliseconds from a request's body to its predictions."""

    requests: int
    median: float
    p99: float


def latency(window: Window) -> Latency:
    """Measure the requests of a window with at least one row; a request counts once, however many rows it had."""
    requests = window.keys.drop_duplicates(["time", "request_id"])
    median, p99 = 1000 * requests["seconds"].astype(float).quantile([0.5, 0.99])
    return Latency(len(requests), float(median), float(p99))
