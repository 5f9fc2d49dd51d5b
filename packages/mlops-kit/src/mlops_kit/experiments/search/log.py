"""Log the search to MLflow: a parent run for the search, and a child run for each candidate."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .. import open_runs
from .candidates import Candidate

# Stores limit the length of a tag.
_MOST_LETTERS = 500


class Logbook:
    """The parent run of a search in progress; `run_id` is its id."""

    def __init__(
        self,
        store: Any,
        experiment: str,
        metric: str,
        tags: dict[str, str],
        mark: dict[str, str],
    ) -> None:
        """Create the parent run in the experiment with this id; `store` is MLflow's client, each run gets the tags in `mark`."""
        self._store, self._experiment, self._metric, self._mark = store, experiment, metric, mark
        run = store.create_run(experiment, tags={**tags, **mark}, run_name="search")
        self.run_id = str(run.info.run_id)
        self._children: dict[int, str] = {}

    def note(self, candidate: Candidate) -> None:
        """Log a candidate's last round, all of it at once, so that it survives a kill."""
        from mlflow.entities import Metric, Param

        child = self._children.get(candidate.number) or self._begun(candidate)
        params = [Param(f"model.params.{n}", json.dumps(v)) for n, v in candidate.params.items()]
        now, metrics = int(1000 * time.time()), []
        for score in candidate.scores[-1:]:
            values = {self._metric: score.mean, "deviation": score.deviation, "rows": score.rows}
            step = len(candidate.scores)
            metrics = [Metric(n, v, now, step) for n, v in values.items() if v == v]
        self._store.log_batch(child, metrics=metrics, params=params)
        if candidate.failure:
            self._store.set_tag(child, "failure", candidate.failure[:_MOST_LETTERS])
        self._store.set_terminated(child, "FAILED" if candidate.failure else "FINISHED")

    def end(self, best: Candidate) -> None:
        """Log the best candidate to the parent run, and end it."""
        self._store.log_metric(self.run_id, self._metric, best.scores[-1].mean)
        for name, value in best.params.items():
            self._store.log_param(self.run_id, f"best.{name}", json.dumps(value))
        self._store.set_terminated(self.run_id, "FINISHED")

    def _begun(self, candidate: Candidate) -> str:
        name = f"candidate {candidate.number}" if candidate.number else "the config's own"
        tags = {"mlflow.parentRunId": self.run_id, **self._mark}
        run = self._store.create_run(self._experiment, tags=tags, run_name=name)
        self._children[candidate.number] = str(run.info.run_id)
        return self._children[candidate.number]


@contextmanager
def open_logbook(
    store: Any, experiment: str, metric: str, tags: dict[str, str]
) -> Iterator[Logbook]:
    """Yield the logbook of a search; after an error its run is marked FAILED."""
    with open_runs.hold(experiment) as mark:
        logbook = Logbook(store, experiment, metric, tags, mark)
        try:
            yield logbook
        except BaseException:
            store.set_terminated(logbook.run_id, "FAILED")
            raise
