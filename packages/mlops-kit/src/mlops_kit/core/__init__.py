"""Shared helpers: errors, files, console output, config loading, provenance, HTTP requests."""
