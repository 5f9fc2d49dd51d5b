"""The project's package: one command line, `python -m ml_template`, behind the Makefile."""
