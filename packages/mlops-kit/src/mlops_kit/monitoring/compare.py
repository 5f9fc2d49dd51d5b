"""The comparison of the challenger with the champion, on the predictions that the service has recorded of both."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from mlops_kit.core.console import step
from mlops_kit.core.errors import UserError
from mlops_kit.data import Columns
from mlops_kit.experiments import runs, store
from mlops_kit.experiments.metrics import estimates, gains, gains_apart
from mlops_kit.experiments.predictions import Predictions
from mlops_kit.experiments.settings import CHALLENGER, TrainConfig, metric_names
from mlops_kit.serving.settings import SHADOW, SHARE

from . import performance, recorded_rows
from .agreement import agreement
from .comparison import Comparison, Measured
from .latency import latency
from .performance import ID, ROW
from .recorded_rows import Window
from .settings import MonitorConfig
from .span import Span, utc

_NO_INPUTS = Columns({})  # only predictions are compared


def compare(config: MonitorConfig, span: Span, name: str, alias: str, labels: str) -> Comparison:
    """Compare the version with the alias challenger of the model `name` with the one that has `alias`.

    `labels` is a file, a folder or an s3:// URL of one, or an empty string; they are read and evaluated by the champion's
    config. Writes reports/compare.json and a section of the summary.

    Raises:
        UserError: There is no such version, both are the same, they have different tasks, or the records or the labels cannot
            be read.
    """
    with store.connect() as client, step("load") as running:
        versions = [runs.of_alias(client, name, each) for each in (alias, CHALLENGER)]
        ours, theirs = (runs.find(client, each.run_id).config for each in versions)
        champion, challenger = (str(each.version) for each in versions)
        _refuse_unlike(name, alias, champion, challenger, ours, theirs)
        running.detail = f"{name} version {champion}, challenger version {challenger}"
    done = Comparison(
        *(name, champion, challenger, utc(span.since), utc(span.until)),
        metric=ours.validation.metric,
    )
    with (
        step("read") as running,
        recorded_rows.local_files(config.source or "", span) as files,
    ):
        windows = [
            recorded_rows.window(files, _NO_INPUTS, name, version, span)
            for version in (champion, challenger)
        ]
        running.detail = f"{len(windows[0]):,} rows of version {champion}, {len(windows[1]):,} of version {challenger}"
    with step("compare") as running:
        evaluate(config, ours, windows[0], windows[1], labels, done)
        running.detail = done.mode or "no rows of a challenger"
    done.write()
    return done


def evaluate(
    config: MonitorConfig,
    run_config: TrainConfig,
    champion: Window,
    challenger: Window,
    labels: str,
    done: Comparison,
) -> None:
    """Compare the predictions of two windows, and put the results into `done`.

    Raises:
        UserError: The labels cannot be read, or one is no class of either version.
    """
    champion, challenger = _with_all_classes(champion, challenger)
    challenger = _in_last_mode(challenger, done)
    if done.mode == SHADOW:
        both = _in_both(champion, challenger)
        left = len(challenger) - len(both)
        champion, challenger = _at(champion, both["champion"]), _at(challenger, both["challenger"])
        if left:
            done.notes.append(
                f"{left:,} rows of version {done.challenger} are left out: the other has none of that id, or several"
            )
        if len(both):
            done.agreement = agreement(champion, challenger, run_config.validation.confidence)
    else:
        champion, challenger = _while_both(champion, challenger)
    done.rows = len(champion), len(challenger)
    if min(done.rows):
        done.latencies = latency(champion), latency(challenger)
    if labels:
        _measure(config, run_config, champion, challenger, labels, done)
    done.set_result(config.rows, bool(labels))


def _measure(
    config: MonitorConfig,
    run_config: TrainConfig,
    champion: Window,
    challenger: Window,
    labels: str,
    done: Comparison,
) -> None:
    known, replaced = performance.latest_labels(labels, run_config)
    if replaced:
        done.notes.append(f"{replaced:,} labels replace earlier ones")
    rows = [performance.labelled(known, each) for each in (champion, challenger)]
    done.labels = len(rows[0]), len(rows[1])
    if min(done.labels) < config.rows:
        return
    old, new = (
        performance.predictions(labels, its, window, run_config.task)
        for its, window in zip(rows, (champion, challenger))
    )
    done.metrics = _metrics(run_config, old, new, done.mode)


def _metrics(
    run_config: TrainConfig, old: Predictions, new: Predictions, mode: str
) -> dict[str, Measured]:
    names = metric_names(run_config.task)
    how = run_config.validation.confidence, run_config.seed
    before, now = (estimates(names, each, *how) for each in (old, new))
    gained = (gains if mode == SHADOW else gains_apart)(names, new, old, *how)
    return {name: Measured(before[name], now[name], gained[name]) for name in names}


def _refuse_unlike(
    name: str,
    alias: str,
    champion: str,
    challenger: str,
    ours: TrainConfig,
    theirs: TrainConfig,
) -> None:
    if champion == challenger:
        raise UserError(
            f"{name}@{alias} is version {champion}, which is the challenger as well; accepted: another one"
        )
    if ours.task != theirs.task:
        raise UserError(
            f"version {challenger} of {name}, the challenger, is one of {theirs.task}, version {champion} one of"
            f" {ours.task}: they cannot be compared"
        )


def _with_all_classes(*windows: Window) -> list[Window]:
    """Return the windows with the classes of both; a class that a version does not have gets the probability 0."""
    names = list(dict.fromkeys(name for each in windows for name in performance.classes(each)))
    of_model = {name: label for each in windows for name, label in each.classes.items()}
    return [
        replace(
            each,
            answers=each.answers.reindex(columns=["prediction", *names], fill_value=0.0),
            classes=of_model,
        )
        for each in windows
    ]


def _in_last_mode(challenger: Window, done: Comparison) -> Window:
    """Return the challenger's rows of the mode in which it predicted last, set `done.mode` to it, and note the others.

    Others are of another mode, or of a time in which this version was the champion.
    """
    modes = challenger.keys["mode"]
    times = challenger.keys["time"][modes.isin((SHADOW, SHARE))]
    done.mode = str(modes[times.idxmax()]) if len(times) else ""
    kept = np.flatnonzero(modes == done.mode)
    left = len(challenger) - len(kept)
    if left:
        done.notes.append(
            f"{left:,} rows of version {done.challenger} are left out: it predicted them in another mode or as the champion"
        )
    return _at(challenger, kept)


def _in_both(champion: Window, challenger: Window) -> Any:
    """Return the positions of the rows that are in both windows, once in each, in the columns champion and challenger."""
    keys = [
        performance.keys_of(each).drop_duplicates([ID, ROW], keep=False)
        for each in (champion, challenger)
    ]
    both = keys[0].merge(keys[1], on=[ID, ROW], suffixes=("_champion", "_challenger"))
    return both.rename(columns=lambda column: column.replace("index_", ""))


def _while_both(champion: Window, challenger: Window) -> tuple[Window, Window]:
    """Return the rows of the time in which both versions predicted, because traffic differs from day to day."""
    if not (len(champion) and len(challenger)):
        return champion, challenger
    times = [each.keys["time"] for each in (champion, challenger)]
    since, until = max(time.min() for time in times), min(time.max() for time in times)
    kept = [np.flatnonzero((time >= since) & (time <= until)) for time in times]
    return _at(champion, kept[0]), _at(challenger, kept[1])


def _at(window: Window, places: Any) -> Window:
    """Return the rows of a window at the positions `places`, in that order."""
    keys, answers = (
        each.loc[places].reset_index(drop=True) for each in (window.keys, window.answers)
    )
    return replace(window, keys=keys, answers=answers)
