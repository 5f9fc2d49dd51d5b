"""Metrics of the team's own, beside the kit's: configs/train.yaml lists those."""

from __future__ import annotations

from mlops_kit.experiments.metrics import Metric

# Task -> name -> Metric(function). A function takes the predictions (`truth` and `predicted`, which are positions in
# `classes` or numbers, and `probabilities`) and a weight for each row, and returns a number; Metric(function, loss=True)
# where less is better. Its name then works in validation.metric, validation.thresholds and validation.slices, in the
# comparison with the champion, in `make search` and in the reports: docs/your-model.md has an example.
METRICS: dict[str, dict[str, Metric]] = {"classification": {}, "regression": {}}
