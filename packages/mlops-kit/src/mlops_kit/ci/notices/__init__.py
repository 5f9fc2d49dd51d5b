"""Notices about a pipeline: their content, and their channels, Slack and e-mail."""
