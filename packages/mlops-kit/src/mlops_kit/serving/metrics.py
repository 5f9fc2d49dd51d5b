"""The metrics of GET /metrics, in Prometheus' format."""

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
    """Collects the log's own count of lost lines: a signal handler logs, too, and must not wait for a Counter's lock."""

    def collect(self) -> Iterator[CounterMetricFamily]:
        yield CounterMetricFamily(
            "dropped_log_lines", "Log lines that were lost.", value=logs.dropped()
        )


class Measures:
    """The Prometheus metrics of one service."""

    def __init__(self, card: dict[str, Any]) -> None:
        """Take model.json, whose name, version and run are labels of the metric `model`."""
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
        self._records = {
            name: Counter(name, description, registry=self._registry)
            for name, description in (
                ("recorded_rows", "Predicted rows that were kept, the challenger's among them."),
                ("unrecorded_rows", "Rows that were to be kept and could not be."),
                ("dropped_rows", "Recorded rows that went as the oldest: the folder was full."),
            )
        }
        self.recorded, self.unrecorded, self.dropped = self._records.values()
        self.refused = Counter(
            "refused_connections",
            "Connections that were ended for what their clients sent, or did not.",
            ["reason"],
            registry=self._registry,
        )
        self._challenged = Counter(
            "challenger_rows",
            "Rows that the champion answered: what the challenger made of them.",
            ["outcome"],
            registry=self._registry,
        )
        self.challenger_differs = Counter(
            "challenger_differences",
            "Rows that the challenger answered otherwise than the champion.",
            registry=self._registry,
        )
        self.challenger_classes = Counter(
            "challenger_predictions",
            "Rows that the challenger predicted, by class.",
            ["class"],
            registry=self._registry,
        )
        self.challenger_seconds = Histogram(
            "challenger_seconds",
            "Time that the challenger takes for a request.",
            buckets=_SECONDS,
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
        """Count a request and observe its duration."""
        answered = self._answered.get((path, status))
        if answered is None:  # labels() takes as long as the counting itself
            answered = self._requests.labels(path, str(status)), self._seconds.labels(path)
            self._answered[path, status] = answered
        answered[0].inc()
        answered[1].observe(seconds)

    def predicted(self, rows: int, labels: list[Any], unseen: list[str]) -> None:
        """Count predicted rows, their classes where they have any, and unseen values by column."""
        self._rows.inc(rows)
        for label, count in Count(labels).items():
            self._classes.labels(label).inc(count)
        for column in unseen:
            self._unseen.labels(column).inc()

    def challenged(self, outcome: str, rows: int) -> None:
        """Count rows by outcome: the challenger has `answered`, it has `failed`, or they were `dropped` before it."""
        self._challenged.labels(outcome).inc(rows)

    def records(self) -> dict[str, float]:
        """Return the numbers of recorded, unrecorded and dropped rows, by the name of the counter."""
        return {
            name: next(iter(counter.collect())).samples[0].value
            for name, counter in self._records.items()
        }

    def add_records(self, records: dict[str, float]) -> None:
        """Add the counts of another process, in the format of `records`."""
        for name, rows in records.items():
            self._records[name].inc(rows)

    def text(self) -> bytes:
        """Return all metrics in Prometheus' format."""
        return generate_latest(self._registry)
