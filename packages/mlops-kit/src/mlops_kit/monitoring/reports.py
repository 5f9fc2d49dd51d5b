"""The reports of monitoring: reports/monitor.json, a self-contained HTML page, a section of the summary, MLflow metrics."""

from __future__ import annotations

import re
from dataclasses import asdict
from pathlib import Path

from mlops_kit.core import job_summary
from mlops_kit.core.files import write_json, write_text
from mlops_kit.experiments.report.numbers import interval, number
from mlops_kit.experiments.report.templates import render

from .result import CLEAN, DRIFTED, Outcome

JSON = Path("reports/monitor.json")
PAGE = Path("reports/monitor.html")

_MOST_LISTED = 20


def write(outcome: Outcome) -> None:
    """Write the two files and the section of the summary.

    Raises:
        OSError: A file cannot be written.
    """
    content = {**asdict(outcome), "tripped": outcome.tripped()}
    write_json(JSON, content)
    write_text(PAGE, render("monitor.html", {**content, "result": result_sentence(outcome)}))
    job_summary.put_section("Monitor", _section(outcome))


def result_sentence(outcome: Outcome) -> str:
    """Return the result in one sentence."""
    if outcome.status == DRIFTED:
        return f"Drifted: {len(outcome.tripped())} of {_compared(outcome)} comparisons are past their limit"
    if outcome.status == CLEAN:
        return f"No drift: none of {_compared(outcome)} comparisons is past its limit"
    return "Insufficient data"


def metrics(outcome: Outcome) -> dict[str, float]:
    """Return the metrics for MLflow by name, without the characters of column names that MLflow refuses, and without NaN."""
    found = {f"{each.what} {each.column}": each.distance for each in outcome.findings}
    if outcome.performance:
        found.update((f"now {n}", e.value) for n, e in outcome.performance.metrics.items())
        found["labels"] = outcome.performance.labels
    found.update(rows=outcome.rows, tripped=len(outcome.tripped()))
    named = {re.sub(r"[^\w.\- ]", "_", name)[:250]: value for name, value in found.items()}
    return {name: float(value) for name, value in named.items() if value == value}


def _compared(outcome: Outcome) -> int:
    has_metrics = outcome.performance is not None and bool(outcome.performance.metrics)
    return len(outcome.findings) + has_metrics


def _section(outcome: Outcome) -> list[str]:
    """Return the lines of the section; they have no value of the data, because logs and notices include them."""
    tripped = outcome.tripped()
    window = f"{outcome.rows:,} rows from {outcome.since} to {outcome.until}"
    lines = [
        f"{outcome.model} version {outcome.version}, {window}.",
        "",
        f"**{result_sentence(outcome)}.**",
        "",
    ]
    lines += [f"- {each}" for each in tripped[:_MOST_LISTED]]
    if len(tripped) > _MOST_LISTED:
        lines.append(f"- and {len(tripped) - _MOST_LISTED} more: {PAGE}")
    lines += [f"- note: {note}" for note in outcome.notes]
    done = outcome.performance
    if done and done.metrics:
        head = ["metric", "now", "interval", "test set"]
        rows = [
            [
                name,
                number(e.value),
                interval(vars(e)),
                number(outcome.before.get(name, {}).get("value")),
            ]
            for name, e in done.metrics.items()
        ]
        lines += ["", *job_summary.table(head, rows)]
    return lines
