##@ More to set up
#@ PYTHON=python3.12  DEBUG=1

.PHONY: help-all
help-all: ## Show all targets and variables
	@awk 'BEGIN { FS = ":.*## " } /^##@/ { printf "\n%s\n", substr($$0, 5) } /^#@/ { variables = variables "\n  " substr($$0, 4) } \
	    /^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 } END { print "\nVariables" variables }' $(MAKEFILE_LIST)

# uv comes from the lock like everything else. The interpreter's own pip installs it where that is new enough
# (22.3 knows --python), which saves the seconds that putting a pip into .venv costs. What a user has set for pip in
# general must not lead it elsewhere. A .venv whose interpreter is gone is made anew, whatever its stamp says.
$(INSTALLED): requirements.txt $(shell $(BIN)/python -ISc '' 2>/dev/null || echo gone) | $(call after,clean)
	@for python in $(or $(PYTHON),python3 $(addprefix python,$(PYTHONS))); do \
	    version=$$("$$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null); \
	    case " $(PYTHONS) " in *" $$version "*) break ;; esac; \
	    python=; \
	done; \
	if test -z "$$python"; then \
	    echo "error: $(or $(PYTHON),python3) is not there or is not one of Python $(PYTHONS): give PYTHON=…" >&2; \
	    exit 2; \
	fi; \
	echo "install: $(VENV) with Python $$version"; \
	test ! -L $(VENV) || rm $(VENV); \
	"$$python" -m venv --clear --without-pip $(VENV) || exit 2; \
	awk '/^uv==/ { uv = 1 } uv { print } uv && !/\\$$/ { exit }' requirements.txt > $(VENV)/uv.txt; \
	set -- "$$python" -m pip --python $(BIN)/python; \
	if ! "$$python" -c 'import pip; assert [int(n) for n in pip.__version__.split(".")[:2]] >= [22, 3]' 2>/dev/null; then \
	    set -- $(BIN)/python -m pip; \
	    $(BIN)/python -m ensurepip >/dev/null || \
	        { echo "error: Python $$version has no pip (Debian, Ubuntu: apt install python3-venv)" >&2; exit 2; }; \
	fi; \
	PIP_USER=0 PIP_TARGET='' PIP_PREFIX='' PIP_ROOT='' PIP_PYTHON='' PIP_REQUIRE_VIRTUALENV=0 \
	"$$@" install --quiet --disable-pip-version-check --no-compile --no-deps --require-hashes -r $(VENV)/uv.txt || \
	    { echo "error: pip could not install uv: is the package index reachable?" >&2; exit 2; }
	@{ $(UV) pip sync --python $(BIN)/python --require-hashes requirements.txt && \
	    $(UV) pip install --quiet --python $(BIN)/python --no-deps --editable .; } || { \
	    echo "error: uv could not install the lock, and says above why (another index: UV_DEFAULT_INDEX=…, certificates: SSL_CERT_FILE=…)" >&2; \
	    exit 2; }
	@ls -d $(VENV)/lib/python*/site-packages/mlflow >/dev/null 2>&1 || { \
	    echo "error: uv filled another environment than $(VENV): does a uv.toml of yours set target, prefix or system under [pip]?" >&2; \
	    exit 2; }
	@touch $(VENV)/.installed $@

# What INSTALLED depends on where .venv's interpreter is gone.
.PHONY: gone
gone:

.PHONY: lock
lock: $(INSTALLED) ## Refresh requirements.txt from the pyproject.toml files
	@$(UV) pip compile --quiet pyproject.toml $(wildcard packages/mlops-kit/pyproject.toml) --group dev \
	    --group $(KIT)/make/pyproject.toml:serving --group $(KIT)/make/pyproject.toml:test --universal --python-version $(lastword $(PYTHONS)) \
	    --generate-hashes --no-strip-extras --upgrade --custom-compile-command "make lock" --output-file requirements.txt
	@$(if $(wildcard docker),$(MAKE) --no-print-directory image-lock)
	@echo "lock: requirements.txt is fresh; next: make install quality-gates"

.PHONY: config-schema
config-schema: $(INSTALLED) ## Write the JSON schemas that editors check configs/*.yaml against
	@$(RUN) config-schema

.PHONY: clean
clean: ## Remove .venv, caches and reports; models, runs and artifacts stay
	@rm -rf $(VENV) .kit reports .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache .ruff_cache
	@find $(CODE) -name __pycache__ -type d -exec rm -rf {} +
