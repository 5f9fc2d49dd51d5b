"""Write the report on a run, a page without external files: reports/index.html."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple, Optional

from markupsafe import Markup
from threadpoolctl import threadpool_limits

from mlops_kit.core.console import step
from mlops_kit.core.errors import UserError
from mlops_kit.core.files import write_text
from mlops_kit.data import Dataset

from .. import runs, store, training
from ..predictions import Predictions, predict
from ..settings import CHALLENGER, CHAMPION
from . import importance, metrics_table, pdf, plots, rows
from .rivals import rivals
from .templates import render

PAGE = Path("reports/index.html")

_MOST_IMPORTANT = 15
_DEPENDENCES = 6
_TITLES = {
    "roc": "ROC curve",
    "precision_recall": "Precision and recall",
    "calibration": "Calibration",
    "residuals": "Residuals",
    "predicted": "Predicted against actual",
}

# The area of the curves in the template's drawing of 320 by 180 units.
_LEFT, _WIDTH, _BOTTOM, _HEIGHT = 60, 252, 152, 144


class Written(NamedTuple):
    """The run of the report; `reason` is why there is no PDF, empty if there is one."""

    run_id: str
    reason: str


def write(run_id: str) -> Written:
    """Write the report on the run `run_id`, or on the last one if it is empty, as HTML and PDF.

    Raises:
        UserError: There is no such run, it did not finish, or its data has changed since.
    """
    if run_id and not run_id.isalnum():
        raise UserError(
            f"RUN_ID is {run_id!r}; accepted: the id of a run (make mlflow-ui shows them)"
        )
    with store.connect() as client:
        run = runs.find(client, run_id or runs.last())
        with step("data") as running:
            dataset = runs.load_data(run, run.config)
            running.detail = f"test set of {len(dataset.test_rows)} rows"
        with (
            step("explain") as running,
            threadpool_limits(training.threads(dataset.train_rows.size)),
        ):
            content = _content(client, run, dataset)
            running.detail = f"run {run.run_id}"
    with step("write") as running:
        write_text(PAGE, render("report.html", content))
        reason = pdf.print_page(PAGE)
        running.detail = f"{PAGE.stat().st_size / 1024:.0f} KiB"
    return Written(run.run_id, reason)


def _content(client: Any, run: runs.Run, dataset: Dataset) -> dict[str, Any]:
    validation = runs.validation(run) or {}
    checks, champion = validation.get("checks", []), validation.get("champion", {})
    champion = champion if champion.get("metrics") else None
    estimates = run.estimates()
    model = runs.load_model(run).pipeline
    test = dataset.test_rows, dataset.test_target
    predictions = predict(model, *test, run.config.task, dataset.test_weights)
    name = run.config.registered_model
    aliased = {alias: runs.aliased(client, name, alias) for alias in (CHAMPION, CHALLENGER)}
    return {
        "model": name,
        "task": run.config.task,
        "target": run.config.data.target,
        "kind": run.config.model.kind,
        "standing": _standing(client, run, aliased),
        "result": _result(run.tags.get("validation"), checks),
        "confidence": f"{100 * run.config.validation.confidence:g} %",
        "metrics": metrics_table.metrics(estimates, checks, champion),
        "other_checks": metrics_table.other_checks(estimates, checks),
        "champion": champion,
        "rivals": rivals(client, name, *aliased.values()),
        "slices": validation.get("slices"),
        "plots": _plots(predictions),
        "confusion": rows.confusion(predictions),
        "weight": run.config.data.weight,
        **_explanation(model, run, dataset),
        "repeated": dataset.repeated,
        "target_rows": rows.target(dataset, run.config.task),
        "columns": rows.columns(dataset),
        "origin": _origin(run),
    }


def _result(tag: Optional[str], checks: list[dict[str, Any]]) -> dict[str, str]:
    failed = sum(not check["passed"] for check in checks)
    if tag == "passed":
        return {"state": "passed", "sentence": f"Passed: all {len(checks)} checks"}
    if tag == "failed":
        return {
            "state": "failed",
            "sentence": f"Failed: {failed} of {len(checks)} checks",
        }
    return {"state": "open", "sentence": "Not validated yet (make validate)"}


def _standing(client: Any, run: runs.Run, aliased: dict[str, Any]) -> str:
    """Return which registered version the run is, in words; `aliased` has the versions by alias, or None."""
    name = run.config.registered_model
    for version in client.search_model_versions(f"name = '{name}'"):
        if version.run_id == run.run_id:
            named = [
                f", the {alias}"
                for alias, each in aliased.items()
                if each is not None and each.version == version.version
            ]
            return f"version {version.version}{''.join(named)}"
    return "not registered"


def _plots(predictions: Predictions) -> list[dict[str, Any]]:
    # matplotlib has escaped the names that it wrote.
    return [
        {"title": _TITLES[name], "svg": Markup(svg)}  # nosec B704 # made here, of nothing stored
        for name, svg in plots.svgs(predictions).items()
    ]


def _explanation(model: Any, run: runs.Run, dataset: Dataset) -> dict[str, Any]:
    target = run.config.data.target
    test = dataset.test_rows, dataset.test_target, dataset.test_weights
    found = importance.importances(model, *test)
    drawn = [
        importance.dependence(
            model, dataset.columns, dataset.test_rows, target, each.column, dataset.test_weights
        )
        for each in found[:_DEPENDENCES]
    ]
    drawn = [each for each in drawn if each.points]  # a column of the test set may be empty
    means = [mean for each in drawn for curve in each.curves.values() for mean in curve]
    lowest, highest = min(means, default=0.0), max(means, default=1.0)
    labels = list(dict.fromkeys(label for each in drawn for label in each.curves))
    is_class, most = run.config.task == "classification", max(found[0].mean, 1e-12)
    return {
        "score": "accuracy" if is_class else "R²",
        "importances": [
            {**vars(each), "width": round(max(0.0, 100 * each.mean / most), 1)}
            for each in found[:_MOST_IMPORTANT]
        ],
        "others": max(0, len(found) - _MOST_IMPORTANT),
        "answer": _curve_title(labels) if is_class else "prediction",
        "labels": labels,
        "lowest": lowest,
        "highest": highest,
        "dependences": [
            {**vars(each), "lines": _lines(each, labels, lowest, highest)} for each in drawn
        ],
    }


def _curve_title(labels: list[str]) -> str:
    return f"probability of {labels[0]}" if len(labels) == 1 else "probability of each class"


def _lines(
    drawn: importance.Dependence, labels: list[str], lowest: float, highest: float
) -> list[dict[str, Any]]:
    """Return the curves' points; all drawings have one scale, so that they can be compared."""
    if not drawn.positions:
        return []
    scale = (highest - lowest) or 1.0
    lines = []
    for label, means in drawn.curves.items():
        points = " ".join(
            f"{_LEFT + _WIDTH * x:.1f},{_BOTTOM - _HEIGHT * (mean - lowest) / scale:.1f}"
            for x, mean in zip(drawn.positions, means)
        )
        lines.append({"colour": labels.index(label) % 6, "points": points})
    return lines


def _origin(run: runs.Run) -> dict[str, str]:
    tags = run.tags
    dirty = " with uncommitted changes" if tags["git.dirty"] == "true" else ""
    return {
        "Run": run.run_id,
        "Trained": f"{run.started:%Y-%m-%d %H:%M} UTC",
        "Commit": tags["git.commit"] + dirty,
        "Data": tags["data.source"],
        "Data SHA-256": tags["data.digest"],
        "Rows": tags.get("data.rows", "not noted"),
        "Left out": tags.get("data.left_out", "not noted"),
        "Notes": tags.get("data.notes", "not noted"),
        "Model SHA-256": tags["model.sha256"],
        "Versions": tags.get("versions", "not noted"),
        "Lock SHA-256": tags["lock.digest"],
        "Tracking": store.redacted(store.uri()),
    }
