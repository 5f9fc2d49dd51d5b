##@ More to set up
#@ PYTHON=python3.12  DEBUG=1

.PHONY: help-all
help-all: ## Show all targets and variables
	@awk 'BEGIN { FS = ":.*## " } /^##@/ { printf "\n%s\n", substr($$0, 5) } /^#@/ { variables = variables "\n  " substr($$0, 4) } \
	    /^[a-z-]+:.*## / { line = sprintf("  make %-14s", $$1); count = split($$2, words, " "); \
	        for (i = 1; i <= count; i++) { \
	            if (length(line " " words[i]) > 80) { print line; line = sprintf("%21s", "") } \
	            line = line " " words[i] } \
	        print line } \
	    END { print "\nVariables" variables }' $(MAKEFILE_LIST)

# uv comes from the lock like everything else. The interpreter's own pip installs it where that is new enough (22.3
# has --python), which saves the seconds of putting a pip into .venv. The user's settings for pip must not change its
# target. A .venv whose interpreter is gone is made anew, even if its stamp is fresh.
$(INSTALLED): $(LOCKS) $(shell $(BIN)/python -ISc '' 2>/dev/null || echo gone) | $(call after,clean)
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
	"$$python" -m venv --clear --without-pip $(VENV) || \
	    { echo "error: Python $$version could not make $(VENV), see above (Debian, Ubuntu: apt install python3-venv)" >&2; exit 2; }; \
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
	@{ $(UV) pip sync --python $(BIN)/python --require-hashes $(LOCKS) && \
	    $(UV) pip install --quiet --python $(BIN)/python --no-deps --editable .; } || { \
	    echo "error: uv could not install the lock, see above (another index: UV_DEFAULT_INDEX=…, certificates: SSL_CERT_FILE=…)" >&2; \
	    exit 2; }
	@ls -d $(VENV)/lib/python*/site-packages/mlflow >/dev/null 2>&1 || { \
	    echo "error: uv filled another environment than $(VENV): does a uv.toml of yours set target, prefix or system under [pip]?" >&2; \
	    exit 2; }
	@touch $(VENV)/.installed $@

$(WITH)%: requirements/%.txt $(INSTALLED)
	@echo "install: $<"
	@$(UV) pip install --quiet --python $(BIN)/python --no-deps --require-hashes --requirement $< || { \
	    echo "error: uv could not install $<, see above" >&2; exit 2; }
	@touch $@

.PHONY: install-dev
install-dev: $(WITH)dev $(SERVING) ## install, and what the gates, the tests and ci-lint call: for an editor

# A prerequisite of INSTALLED if .venv's interpreter is gone.
.PHONY: gone
gone:

# All lists are resolved together, and then each with those versions: a later installation changes no installed package.
# packages/mlops-kit/tests/tests.mk, which is not shipped, adds its own. A folder of wheels that pyproject.toml names is
# relative to the root; in a list it would be relative to the list's own folder.
GROUPS := $(KIT)/make/pyproject.toml
MAIN := pyproject.toml $(wildcard packages/mlops-kit/pyproject.toml) --group $(GROUPS):install
MORE := requirements/dev.txt=pyproject.toml:dev+$(GROUPS):lint \
    $(foreach name,cluster $(if $(wildcard packages/ecs-local),local) mlflow $(if $(wildcard docker),serving),requirements/$(name).txt=$(GROUPS):$(name))
groups_of = $(addprefix --group ,$(subst +, ,$(lastword $(subst =, ,$(1)))))
COMPILE = $(UV) pip compile --quiet --universal --python-version $(lastword $(PYTHONS)) --generate-hashes --no-strip-extras \
    --custom-compile-command "make lock"
.PHONY: lock
lock: $(INSTALLED) ## Refresh requirements.txt and requirements/ from the pyproject.toml files
	@$(COMPILE) $(MAIN) $(foreach each,$(MORE),$(call groups_of,$(each))) --upgrade --no-emit-find-links --output-file $(VENV)/all.txt
	@$(COMPILE) $(MAIN) --constraint $(VENV)/all.txt --output-file requirements.txt
	@$(foreach each,$(MORE),$(COMPILE) $(call groups_of,$(each)) --constraint $(VENV)/all.txt --no-emit-find-links \
	    --output-file $(firstword $(subst =, ,$(each))) &&) true
	@$(if $(wildcard docker),$(MAKE) --no-print-directory image-lock)
	@$(if $(wildcard docs/requirements.txt),$(MAKE) --no-print-directory docs-lock)
	@echo "lock: requirements.txt is fresh; next: make install quality-gates"

# With any Python: it has to work with a broken installation.
.PHONY: doctor
doctor: ## Print the facts for a bug report: versions, machine, settings without secrets, what is wrong
	@$(or $(PYTHON),python3) -IS $(KIT)/make/doctor.py $(PACKAGE) $(PROFILE) "$(PYTHONS)"

.PHONY: clean
clean: ## Remove .venv, caches and reports; models, runs and artifacts stay
	@rm -rf $(VENV) .kit reports .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache .ruff_cache
	@find $(CODE) -name __pycache__ -type d -exec rm -rf {} +
