"""Monitoring: drift of recent requests against the test set, performance on labels, and the challenger's comparison."""
