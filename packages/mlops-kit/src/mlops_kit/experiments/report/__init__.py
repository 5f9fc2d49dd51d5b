"""The report on a run, with plots."""
