"""Build times in MLflow: the experiment `ci`, one run for each `make ci-times`."""

from __future__ import annotations

import os
from collections import defaultdict
from pathlib import Path
from typing import Any

from mlops_kit.core.errors import UserError
from mlops_kit.experiments import embedded_store, open_runs, store

from .. import system
from .times import Timing

EXPERIMENT = "ci"
PLOT = Path("reports/ci-times.png")
LAST = 20

_PREFIX = "seconds."
_RUNS = (
    200  # jobs of a build time different targets: for the last 20 of a target it takes more runs
)
_MOST_LINES = 12


def track(timings: list[Timing]) -> dict[str, list[float]]:
    """Log the timings as a run with a plot; return the durations (s) of the last 20 builds before it, for each target.

    Those builds had the same kind of runner and the same cache hit. Only targets that succeeded count: one that fails
    early is fast.

    Raises:
        UserError: There is no MLflow store, or it refuses.
    """
    if not (embedded_store.STORE.exists() or os.environ.get("MLFLOW_TRACKING_URI")):
        # Creating one takes half a minute, and a runner does not keep it.
        raise UserError("there is no mlflow.db here, and MLFLOW_TRACKING_URI names no server")
    succeeded = [timing for timing in timings if timing.exit == 0]
    tags = _tags(timings)
    with store.connect() as client:
        experiment = store.experiment_id(client, EXPERIMENT)
        earlier = _earlier(client, experiment, tags)
        _draw(succeeded, earlier)
        _log(client, experiment, tags, succeeded)
    return earlier


def _tags(timings: list[Timing]) -> dict[str, str]:
    build = system.build()
    return {
        "runner": timings[-1].runner,
        "cache_hit": str(timings[-1].cache_hit).lower(),
        "git.commit": timings[-1].commit,
        "branch": build.branch,
        "run_url": build.run_url,
    }


def _earlier(client: Any, experiment: str, tags: dict[str, str]) -> dict[str, list[float]]:
    """Return the durations of each target in seconds, the newest first."""
    same = " and ".join(f"tags.{name} = '{tags[name]}'" for name in ("runner", "cache_hit"))
    found = client.search_runs(
        [experiment], same, max_results=_RUNS, order_by=["attributes.start_time DESC"]
    )
    earlier: dict[str, list[float]] = defaultdict(list)
    for run in found:
        for name, seconds in run.data.metrics.items():
            target = name[len(_PREFIX) :]
            if name.startswith(_PREFIX) and len(earlier[target]) < LAST:
                earlier[target].append(seconds)
    return dict(earlier)


def _log(client: Any, experiment: str, tags: dict[str, str], timings: list[Timing]) -> None:
    name = tags["git.commit"][:12] or None
    with open_runs.hold(experiment) as mark:
        run = client.create_run(experiment, tags={**tags, **mark}, run_name=name).info.run_id
        for timing in timings:
            client.log_metric(run, f"{_PREFIX}{timing.target}", timing.seconds)
        client.log_artifact(run, str(PLOT))
        client.set_terminated(run)


def _draw(timings: list[Timing], earlier: dict[str, list[float]]) -> None:
    """Plot the durations of the slowest targets over their last builds; this build is at 0."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    mpl.use("Agg")
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots()
    longest = sorted(timings, key=lambda timing: -timing.seconds)[:_MOST_LINES]
    for timing in longest:
        seconds = [timing.seconds, *earlier.get(timing.target, [])]
        axes.plot([-i for i in range(len(seconds))], seconds, marker="o", label=timing.target)
    axes.set_xlabel("builds before this one")
    axes.set_ylabel("seconds")
    axes.set_yscale("log")
    if longest:
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    PLOT.parent.mkdir(exist_ok=True)
    figure.savefig(PLOT, dpi=100)
