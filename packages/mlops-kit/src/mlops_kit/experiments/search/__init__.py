"""Hyperparameter search: candidates, successive halving on a cluster, and its runs in MLflow."""
