"""The model card (Mitchell et al., 2019): texts that people write about a model, and the facts of its run."""

from __future__ import annotations

import re
from typing import Any, Optional

from mlops_kit.core.job_summary import table

from .report.numbers import interval, number
from .runs import Run
from .settings import ModelCardConfig

# The file with the texts.
SOURCE = "configs/model-card.yaml"

_TITLES = {
    "intended_use": "Intended use",
    "not_for": "Not for",
    "data": "Data",
    "limits": "Limits",
    "risks": "Risks",
    "owner": "Owner",
}
_RESULTS = {"passed": "It passed validation.", "failed": "It did NOT pass validation."}


def text(
    run: Run, validation: Optional[dict[str, Any]], human: ModelCardConfig, version: str
) -> str:
    """Return the card of a registered version in Markdown.

    `validation` is the result of `make validate` stored with its run, `human` has the texts of configs/model-card.yaml.
    """
    sections = {
        "intended_use": [],
        "not_for": [],
        "data": _data(run),
        "metrics": _metrics(run),
        "slices": _slices(validation or {}),
        "limits": [],
        "risks": [],
        "owner": [],
        "versions": _versions(run),
    }
    titles = {**_TITLES, "metrics": "Metrics", "slices": "Worst groups", "versions": "Versions"}
    texts = human.model_dump()
    lines = [f"# Model card: {_plain(run.config.registered_model)} version {version}", ""]
    lines += [_summary(run), ""]
    for key, known in sections.items():
        lines += [f"## {titles[key]}", ""]
        if key in texts:
            written = (texts[key] or "").strip()
            lines += [written or f"*Nobody has written this yet: `{key}` in {SOURCE}.*", ""]
        lines += known
    return "\n".join(lines).rstrip() + "\n"


def _summary(run: Run) -> str:
    config = run.config
    return (
        f"A {config.task} of {_plain(config.data.target)} by {_plain(config.model.kind)}."
        f" {_RESULTS.get(run.tags.get('validation', ''), 'It was not validated.')}"
    )


def _data(run: Run) -> list[str]:
    known = [
        ["source", _plain(run.tags["data.source"])],
        ["SHA-256", run.tags["data.digest"]],
        ["rows", run.tags.get("data.rows", "not noted")],
        ["columns", run.tags.get("data.columns", "not noted")],
        ["left out", _plain(run.tags.get("data.left_out", "not noted"))],
        ["notes", _plain(run.tags.get("data.notes", "not noted"))],
    ]
    return table(["", ""], known)


def _metrics(run: Run) -> list[str]:
    confidence = 100 * run.config.validation.confidence
    found = [
        [name, number(estimate.get("value")), interval(estimate)]
        for name, estimate in run.estimates().items()
    ]
    head = ["on the test set", "value", f"{confidence:g} % interval"]
    return table(head, found)


def _slices(validation: dict[str, Any]) -> list[str]:
    found = validation.get("slices") or {}
    if not found.get("worst"):
        return ["None is known.", ""]
    rows = [
        [
            _plain(each["column"]),
            _plain(each["group"]),
            str(each["rows"]),
            number(each["value"]),
            interval(each),
        ]
        for each in found["worst"]
    ]
    note = (
        f"The lowest of {found['groups']} groups of at least {found['min_rows']} test rows;"
        " of so many, some are low by chance."
    )
    return [note, "", *table(["column", "value", "rows", found["metric"], "interval"], rows)]


def _versions(run: Run) -> list[str]:
    dirty = " with uncommitted changes" if run.tags["git.dirty"] == "true" else ""
    known = [
        ["run", run.run_id],
        ["trained", f"{run.started:%Y-%m-%d %H:%M} UTC"],
        ["commit", run.tags["git.commit"] + dirty],
        ["fitted with", run.tags.get("versions", "not noted")],
        ["lock SHA-256", run.tags["lock.digest"]],
        ["model SHA-256", run.tags["model.sha256"]],
    ]
    return table(["", ""], known)


def _plain(value: str) -> str:
    """Return a name escaped for Markdown and HTML; `table` escapes its own bars."""
    return re.sub(r"([\\`*_\[\]<>&#~$])", r"\\\1", value)
