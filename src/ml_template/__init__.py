"""The model: its rows, its estimators, one training run. Everything else is the kit's."""
