"""The join of labels to predictions, and the performance by day."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from mlops_kit.core import job_summary
from mlops_kit.core.console import step
from mlops_kit.core.files import write_json
from mlops_kit.experiments.report.numbers import interval, number

from . import monitor, performance
from .performance import Performance
from .settings import MonitorConfig
from .span import Span, utc

JSON = Path("reports/labels.json")
COLUMNS = ["day", "labels", "metric", "value", "interval"]


def join(config: MonitorConfig, span: Span, name: str, alias: str, labels: str) -> Performance:
    """Join labels to the predictions of the version of the model `name` with `alias` in the span, by request and row.

    `labels` is a file, a folder or an s3:// URL of one. They are not stored, because labels may arrive late and be corrected.
    Writes reports/labels.json and a section of the summary.

    Raises:
        UserError: There is no such model, or the records or the labels cannot be read.
    """
    with monitor.opened(config, span, name, alias) as found:
        with step("join") as running:
            metric = found.run.config.validation.metric
            before = found.run.estimates().get(metric, {})
            done = performance.measure(
                labels, found.window, found.run.config, before, performance.LEAST_OF_A_DAY
            )
            running.detail = f"{done.labels:,} of {len(found.window):,} rows have a label"
        model = {"model": name, "version": found.version}
        write_json(
            JSON, {**model, "since": utc(span.since), "until": utc(span.until), **asdict(done)}
        )
    table = job_summary.table(COLUMNS, rows(done))
    job_summary.put_section("Labels", [f"{name} version {model['version']}.", "", *table])
    return done


def rows(done: Performance) -> list[list[str]]:
    """Return a row of the table for each day, and one for all days together, with the columns COLUMNS."""
    found = [(each.day, each.labels, each.estimate) for each in done.days]
    if done.metrics:
        found.append(("together", done.labels, done.metrics[done.metric]))
    return [
        [day, f"{labels:,}", done.metric, number(of.value), interval(vars(of))]
        for day, labels, of in found
    ]
