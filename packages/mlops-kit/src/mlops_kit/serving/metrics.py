"""What GET /metrics tells, in Prometheus' form."""

from __future__ import annotations

from collections import Counter as Count
from collections.abc import Iterator
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

from . import logs

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class _DroppedLines(Collector):
    """Reads the log's own count: a signal handler logs, too, and must not wait for the lock of a Counter."""

    def collect(self) -> Iterator[CounterMetricFamily]:
        yield CounterMetricFamily(
            "dropped_log_lines", "Log lines that nobody took in time.", value=logs.dropped()
        )


class Measures:
    """Counters of one service."""

    def __init__(self, card: dict[str, Any]) -> None:
        """Take model.json, whose identifiers are shown beside the counters."""
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "http_requests", "Answered requests.", ["path", "status"], registry=self._registry
        )
        self._seconds = Histogram(
            "http_request_seconds",
            "Time from a request's head to the end of its answer.",
            ["path"],
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._answered: dict[tuple[str, int], tuple[Counter, Histogram]] = {}
        self._rows = Counter("predicted_rows", "Predicted rows.", registry=self._registry)
        self._classes = Counter(
            "predictions", "Predicted rows by class.", ["class"], registry=self._registry
        )
        self._unseen = Counter(
            "unseen_categories",
            "Values that are no category seen in training.",
            ["column"],
            registry=self._registry,
        )
        self.in_work = Gauge(
            "predict_requests_in_work",
            "Requests for predictions that have begun.",
            registry=self._registry,
        )
        self.recorded, self.unrecorded = (
            Counter(name, told, registry=self._registry)
            for name, told in (
                ("recorded_rows", "Predicted rows that were kept for make monitor."),
                ("unrecorded_rows", "Rows that were to be kept and could not be."),
            )
        )
        self.refused = Counter(
            "refused_connections",
            "Connections that were ended for what their clients sent, or did not.",
            ["reason"],
            registry=self._registry,
        )
        self._registry.register(_DroppedLines())
        model = Gauge(
            "model",
            "The model that is served.",
            ["name", "version", "run"],
            registry=self._registry,
        )
        model.labels(card["registered_model"], card["version"], card["run_id"]).set(1)

    def answered(self, path: str, status: int, seconds: float) -> None:
        """Count an answered request."""
        answered = self._answered.get((path, status))
        if answered is None:  # labels() takes as long as the counting itself
            answered = self._requests.labels(path, str(status)), self._seconds.labels(path)
            self._answered[path, status] = answered
        answered[0].inc()
        answered[1].observe(seconds)

    def predicted(self, answers: list[dict[str, Any]], unseen: list[str]) -> None:
        """Count predicted rows: by class, and what was unseen in them."""
        self._rows.inc(len(answers))
        if "probabilities" in answers[0]:
            for label, count in Count([answer["prediction"] for answer in answers]).items():
                self._classes.labels(label).inc(count)
        for column in unseen:
            self._unseen.labels(column).inc()

    def text(self) -> bytes:
        """Return all of it as Prometheus reads it."""
        return generate_latest(self._registry)
