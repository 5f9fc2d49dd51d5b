##@ Documentation

# The site's generator has an environment of its own, made by .venv's interpreter: the daily installation does without it.
DOCS := $(VENV)/docs

$(DOCS)/.installed: docs/requirements.txt | $(INSTALLED)
	@$(UV) venv --quiet --clear --python $(BIN)/python $(DOCS)
	@$(UV) pip sync --quiet --python $(DOCS)/bin/python --require-hashes docs/requirements.txt
	@touch $@

# A full build each time, so that warnings are of this run.
.PHONY: docs
docs: $(DOCS)/.installed ## Build docs/ into reports/docs/, with a search; a broken link fails
	@rm -rf reports/docs
	@DOCS_ROOT="$(CURDIR)" READ_BY_MAKE="$(MAKEFILE_LIST)" $(DOCS)/bin/python -m sphinx -q -W --keep-going -d $(DOCS)/trees \
	    -c $(KIT)/make/docs . reports/docs
	@echo "docs: open reports/docs/index.html"

.PHONY: docs-lock
docs-lock: $(INSTALLED) ## Refresh docs/requirements.txt, what make docs installs
	@$(UV) pip compile --quiet --group $(KIT)/make/pyproject.toml:docs --universal --python-version $(lastword $(PYTHONS)) \
	    --generate-hashes --no-strip-extras --upgrade --no-emit-find-links --custom-compile-command "make docs-lock" --output-file docs/requirements.txt
