"""The kit behind a machine-learning repository's Makefile; a project hands itself over by `run(Project(...))`."""
