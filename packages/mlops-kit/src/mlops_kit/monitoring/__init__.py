"""Monitoring: drift of recent requests against the rows that the model was measured on, and performance on labels."""
