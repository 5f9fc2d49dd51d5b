"""The model: its data, features, metrics, estimators and training run. Everything else is in the kit."""
