"""Runs: the MLflow store, stored models, metrics with intervals, the champion, slices, search, the report."""
