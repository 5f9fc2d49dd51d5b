"""The team's own metrics, in addition to the kit's (listed in configs/train.yaml)."""

from __future__ import annotations

from mlops_kit.experiments.metrics import Metric

# Task -> name -> Metric(function). A function takes the predictions (`truth` and `predicted`, which are positions in
# `classes` or numbers, and `probabilities`) and a weight for each row, and returns a number; Metric(function, loss=True)
# where lower is better. Its name then works in validation.metric, validation.thresholds and validation.slices, in the
# comparison with the champion, in `make search` and in the reports: docs/your-model.md has an example.
METRICS: dict[str, dict[str, Metric]] = {"classification": {}, "regression": {}}
