"""Notices to people about a pipeline: what they say, and how they leave."""
