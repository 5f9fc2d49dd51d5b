# The one interface: people and every CI system call only these targets.
# Works with GNU make 3.81 (macOS) and newer, alone or with -j.

# Newest first. PYTHON=… names another interpreter; .venv is then built again with it.
PYTHONS := 3.13 3.12 3.11 3.10 3.9
export AWS_DEFAULT_REGION ?= eu-west-1

# The code of this folder, also after the folder was moved or copied with its .venv. For the same reason the tools
# are called as modules: their scripts keep the path they were installed to.
export PYTHONPATH := $(CURDIR)/src:$(CURDIR)/packages/ecs-local/src$(if $(PYTHONPATH),:$(PYTHONPATH))

VENV := .venv
BIN := $(VENV)/bin
RUN := $(BIN)/python -m ml_template
INSTALLED := $(VENV)/.installed$(if $(PYTHON),-$(subst /,-,$(PYTHON)))
CODE := src tests $(wildcard packages)
CORES := $(shell getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)

# CI_CACHE=folder: what a CI system keeps from one run to the next is one folder, whatever the tool.
ifneq ($(CI_CACHE),)
export UV_CACHE_DIR := $(abspath $(CI_CACHE))/uv
export BLACK_CACHE_DIR := $(abspath $(CI_CACHE))/black
export MYPY_CACHE_DIR := $(abspath $(CI_CACHE))/mypy
export RUFF_CACHE_DIR := $(abspath $(CI_CACHE))/ruff
endif

# In place of the shell runs what notes how long each target took; `make ci-times` shows it. Without a python3: the shell.
TIMER := $(wildcard src/ml_template/ci_metrics/timed.py)
TIMER_PYTHON := $(shell python3 -ISc 'import os, sys; sys.version_info > (3, 7) and print(os.path.realpath(sys.executable).replace(" ", "\ "))' 2>/dev/null)
UNTIMED := help clean serve mlflow-ui
SHELL = $(if $(and $(TIMER),$(TIMER_PYTHON),$(filter-out $(UNTIMED),$@)),$(TIMER_PYTHON) -IS $(TIMER) $@,/bin/sh)

MAKEFLAGS += --no-builtin-rules --keep-going
.DEFAULT_GOAL := help

# $(call after,TARGETS): those of TARGETS that were asked for on the same command line. As an order-only
# prerequisite it makes `make -j format quality-gates` or `make -j train validate` do first things first.
after = $(filter $(1),$(MAKECMDGOALS))

.PHONY: help
help: ## Show this help
	@awk 'BEGIN { FS = ":.*## " } /^##@/ { printf "\n%s\n", substr($$0, 5) } /^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' Makefile
	@printf '\nVariables: CONFIG=configs/train.yaml  SET="key=value …"  SERVE_SET="key=value …"  MODEL=name@alias  DATA=…  OUT=…\n           MONITOR_SET="key=value …"  SEARCH_SET="key=value …"  ENV=local|staging|production  DEPLOY_SET="key=value …"  TERRAFORM=terraform\n           DASK_SCHEDULER=tcp://…  ACCELERATOR=cuml  PORT=…  PYTHON=python3.12  DEBUG=1\n'

##@ Set up

.PHONY: install
install: $(INSTALLED) ## Create .venv and install the locked dependencies

# uv comes from the lock like everything else. The interpreter's own pip installs it where that is new enough
# (22.3 knows --python), which saves the seconds that putting a pip into .venv costs.
$(INSTALLED): requirements.txt | $(call after,clean)
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
	"$$python" -m venv --clear --without-pip $(VENV) || exit 2; \
	awk '/^uv==/ { uv = 1 } uv { print } uv && !/\\$$/ { exit }' requirements.txt > $(VENV)/uv.txt; \
	set -- "$$python" -m pip --python $(BIN)/python; \
	if ! "$$python" -c 'import pip; assert [int(n) for n in pip.__version__.split(".")[:2]] >= [22, 3]' 2>/dev/null; then \
	    set -- $(BIN)/python -m pip; \
	    $(BIN)/python -m ensurepip >/dev/null || \
	        { echo "error: Python $$version has no pip (Debian, Ubuntu: apt install python3-venv)" >&2; exit 2; }; \
	fi; \
	"$$@" install --quiet --disable-pip-version-check --no-compile --no-deps --require-hashes -r $(VENV)/uv.txt || \
	    { echo "error: pip could not install uv: is the package index reachable?" >&2; exit 2; }
	@VIRTUAL_ENV=$(VENV) $(BIN)/uv pip sync --quiet --require-hashes requirements.txt
	@VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install --quiet --no-deps --editable .
	@touch $(VENV)/.installed $@

.PHONY: lock
lock: $(INSTALLED) ## Refresh requirements.txt from pyproject.toml
	@$(BIN)/uv pip compile --quiet pyproject.toml --group dev --universal --python-version $(lastword $(PYTHONS)) \
	    --generate-hashes --no-strip-extras --upgrade --custom-compile-command "make lock" --output-file requirements.txt
	@$(MAKE) --no-print-directory image-lock
	@echo "lock: requirements.txt is fresh; next: make install quality-gates"

.PHONY: config-schema
config-schema: $(INSTALLED) ## Write the JSON schemas that editors check configs/*.yaml against
	@$(RUN) config-schema

.PHONY: clean
clean: ## Remove .venv, caches and reports; models, runs and artifacts stay
	@rm -rf $(VENV) reports .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache .ruff_cache
	@find $(CODE) -name __pycache__ -type d -exec rm -rf {} +

##@ Train

.PHONY: train
train: $(INSTALLED) ## Fit the model that CONFIG describes and track the run (ACCELERATOR=cuml: on the GPU)
	@$(RUN) train

.PHONY: search
search: $(INSTALLED) ## Search for better parameters, as configs/search.yaml says (DASK_SCHEDULER=tcp://… for a cluster)
	@$(RUN) search

.PHONY: validate
validate: $(INSTALLED) | $(call after,train) ## Judge the last run on held-out data and against the champion
	@$(RUN) validate

.PHONY: register
register: $(INSTALLED) | $(call after,validate) ## Make the validated run the registered champion
	@$(RUN) register

.PHONY: pipeline
pipeline: $(INSTALLED) ## train, validate and register, in this order
	@$(RUN) train
	@$(RUN) validate
	@$(RUN) register

.PHONY: report
report: $(INSTALLED) | $(call after,train validate register pipeline) ## Turn the last run (or RUN_ID=…) into reports/index.html, and a PDF by Chromium
	@$(RUN) report

.PHONY: mlflow-ui
mlflow-ui: $(INSTALLED) ## Show the runs and models in the browser (PORT=5000)
	@$(RUN) mlflow-ui

##@ Serve

.PHONY: export
export: $(INSTALLED) | $(call after,register pipeline) ## Write the champion (or MODEL=name@alias) into artifacts/model/
	@$(RUN) export

.PHONY: serve
serve: $(INSTALLED) | $(call after,export) ## Serve artifacts/model/ on http://127.0.0.1:8000 (PORT=8000)
	@$(RUN).serving

.PHONY: predict
predict: $(INSTALLED) | $(call after,export) ## Score DATA=file.csv into OUT=scores.csv (or .parquet; DASK_SCHEDULER=tcp://… for a cluster)
	@$(RUN) predict

.PHONY: monitor
monitor: $(INSTALLED) ## Compare what the service was asked lately with the champion's own rows (MONITOR_SET="source=…")
	@$(RUN) monitor

.PHONY: retrain
retrain: $(INSTALLED) ## monitor, and past its limits train, validate and register
	@$(RUN) retrain

.PHONY: page-test
page-test: $(INSTALLED) ## Test the page in headless Chromium; pictures go to reports/page/
	@$(BIN)/python -m pytest -q -rs tests/page

.PHONY: soak
soak: $(INSTALLED) ## Ask the service 100,000 times: nothing lost, memory flat (SOAK_REQUESTS=100000)
	@$(BIN)/python -m pytest -q -s tests/soak

##@ Image

.PHONY: image
image: $(INSTALLED) | $(call after,export) ## Build the service's image around artifacts/model/ (BASE=… ALLOW_DIRTY=1)
	@$(RUN) image

.PHONY: image-test
image-test: $(INSTALLED) | $(call after,image) ## Test the built image (or IMAGE=…) in real containers
	@$(BIN)/python -m pytest -q -rs tests/image

.PHONY: image-scan
image-scan: $(INSTALLED) | $(call after,image) ## Scan what is in the image for known vulnerabilities
	@$(RUN) image-scan

.PHONY: image-push
image-push: $(INSTALLED) | $(call after,image image-test) ## Push the image to REGISTRY=host/path and note its digest (REGISTRY_USER=… with REGISTRY_PASSWORD)
	@$(RUN) image-push

.PHONY: image-train
image-train: $(INSTALLED) ## Build the image that trains (BASE=… with CUDA and Python for GPUs)
	@$(RUN) image-train

.PHONY: image-lock
image-lock: $(INSTALLED) ## Refresh docker/requirements-*.txt with the versions of requirements.txt
	@for pins in onnx:--group=serving skops:--group=serving-skops mlflow:docker/requirements-mlflow.in; do \
	    $(BIN)/uv pip compile --quiet "$${pins#*:}" --constraint requirements.txt --universal \
	        --python-version $(lastword $(PYTHONS)) --generate-hashes --no-strip-extras \
	        --custom-compile-command "make image-lock" \
	        --output-file "docker/requirements-$${pins%%:*}.txt" || exit; \
	done

.PHONY: compose-up
compose-up: $(INSTALLED) | $(call after,image) ## Run the image beside MLflow with Postgres and an object store
	@$(RUN) compose-up

.PHONY: compose-down
compose-down: $(INSTALLED) ## Stop what compose-up started; its data stays
	@$(RUN) compose-down

##@ Deploy

# The images of what stands below are the environment's: its repository, by digest. ENV=local is an AWS on this machine
# (packages/ecs-local/): the deployer asks it as it asks the real one. `run` tells it where by AWS's own variables, and
# refuses where the emulator of this folder does not run, whoever else has its port.
export LOCAL_COMMANDS := make local-{}
LOCAL := $(BIN)/python -m ecs_local
DEPLOY = $(if $(filter local,$(ENV)),$(LOCAL) run) $(RUN)

.PHONY: push
push: $(INSTALLED) | $(call after,image image-test image-scan local-up) ## Push the image to the repository of ENV, once, as a release
	@$(DEPLOY) push

.PHONY: deploy-plan
deploy-plan: $(INSTALLED) | $(call after,push) ## Show what make deploy would change (ENV=… IMAGE_TAG=…)
	@$(DEPLOY) deploy-plan

# Without Docker, what ENV=local deploys is packed from artifacts/model/; `make image push deploy ENV=local` takes the image.
.PHONY: deploy
deploy: $(INSTALLED) $(if $(filter local,$(ENV)),$(if $(IMAGE_TAG)$(RESUME)$(filter push,$(MAKECMDGOALS)),,local-release)) | $(call after,push deploy-plan local-up) ## Deploy to ENV=local, staging or production and prove it (IMAGE_TAG=… REASON=… RESUME=1 SUPERSEDE=1)
	@$(DEPLOY) deploy

.PHONY: status
status: $(INSTALLED) | $(call after,deploy rollback) ## Show what runs in ENV, how it feels, and the last deployments
	@$(DEPLOY) status

.PHONY: rollback
rollback: $(INSTALLED) ## Bring the release before back in ENV (or TO=tag), also while a deployment is stuck
	@$(DEPLOY) rollback

.PHONY: verify
verify: $(INSTALLED) | $(call after,push) ## Look at all that a deployment to ENV needs; changes nothing
	@$(DEPLOY) verify

.PHONY: logs
logs: $(INSTALLED) ## Show what the service in ENV logged (MINUTES=15)
	@$(DEPLOY) logs

.PHONY: local-up
local-up: $(INSTALLED) ## Start an AWS for ENV=local on this machine: ECS with real tasks, a load balancer, a registry
	@$(LOCAL) up
	@$(LOCAL) run $(RUN) local-account

.PHONY: local-down
local-down: $(INSTALLED) ## Stop it and its tasks; what was deployed stays for the next local-up
	@$(LOCAL) down

.PHONY: local-release
local-release: $(INSTALLED) | $(call after,export local-up)
	@$(LOCAL) run $(RUN) local-release
	@$(DEPLOY) push

.PHONY: deploy-test
deploy-test: $(INSTALLED) ## Test the local ECS, and every fault of a deployment to it under traffic; reports/deploy-faults.md
	@$(BIN)/python -m pytest -q -rs $(wildcard packages/ecs-local/tests) tests/deploy

##@ Infrastructure

# Terraform itself is not installed by make: its licence is its own. OpenTofu does as well: TERRAFORM=tofu
export TERRAFORM ?= terraform

# In an environment of its own, because its dependencies are not ours; only infra-check needs it.
CHECKOV := $(VENV)/checkov
$(CHECKOV)/.installed: infra/requirements-checkov.txt $(INSTALLED)
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(CHECKOV)
	@$(BIN)/uv pip sync --quiet --require-hashes --python $(CHECKOV) infra/requirements-checkov.txt
	@touch $@

.PHONY: infra-check
infra-check: $(CHECKOV)/.installed ## Check the Terraform without an account: format, validity, its tests, checkov
	@$(RUN) infra-check --checkov $(CHECKOV)/bin/checkov

.PHONY: infra-plan
infra-plan: $(INSTALLED) ## Show what would change in ENV=bootstrap, shared, staging or production
	@$(RUN) infra-plan

.PHONY: infra-apply
infra-apply: $(INSTALLED) ## Show it, ask (AUTO_APPROVE=1: do not), and make it so
	@$(RUN) infra-apply

.PHONY: infra-destroy
infra-destroy: $(INSTALLED) ## Destroy ENV once its name is typed (or CONFIRM=…); what is protected stays
	@$(RUN) infra-destroy

.PHONY: infra-cost
infra-cost: $(INSTALLED) ## Estimate what ENV, or each environment, costs in a month
	@$(RUN) infra-cost

.PHONY: infra-lock
infra-lock: $(INSTALLED) ## Refresh infra/requirements-checkov.txt
	@echo checkov | $(BIN)/uv pip compile --quiet - --universal --python-version 3.9 \
	    --generate-hashes --upgrade --custom-compile-command "make infra-lock" \
	    --output-file infra/requirements-checkov.txt

.PHONY: infra-test
infra-test: $(INSTALLED) ## Apply all of it to an AWS on this machine, deploy there, destroy it
	@$(BIN)/python -m pytest -q -rs tests/infra

.PHONY: train-remote
train-remote: $(INSTALLED) ## Train on ECS in ENV and follow it (CONFIG=… SET=…)
	@$(DEPLOY) train-remote

##@ Check

.PHONY: quality-gates
quality-gates: $(INSTALLED) | $(call after,format) ## Every check below at once; all failures are shown
	@$(MAKE) --no-print-directory $(if $(findstring jobserver,$(MAKEFLAGS)),,-j$(CORES)) \
	    $(if $(filter output-sync,$(.FEATURES)),--output-sync=target) \
	    format-check lint type-check security test
	@echo "quality gates: all passed"

.PHONY: format
format: $(INSTALLED) ## Rewrite the code with isort and black
	@$(BIN)/python -m isort --quiet $(CODE)
	@$(BIN)/python -m black --quiet $(CODE)

.PHONY: format-check
format-check: check-black check-isort ## Check the format (black, isort)

.PHONY: check-black
check-black: $(INSTALLED) | $(call after,format)
	@$(BIN)/python -m black --quiet --check --diff $(CODE)

.PHONY: check-isort
check-isort: $(INSTALLED) | $(call after,format)
	@$(BIN)/python -m isort --quiet --check --diff $(CODE)

.PHONY: lint
lint: $(INSTALLED) | $(call after,format) ## Lint (ruff)
	@$(BIN)/ruff check --quiet $(CODE)

.PHONY: type-check
type-check: $(INSTALLED) | $(call after,format) ## Check the types (mypy, strict)
	@$(BIN)/python -m mypy --no-error-summary

.PHONY: security
security: bandit audit ## Scan the code (bandit) and the locked dependencies (pip-audit)

.PHONY: bandit
bandit: $(INSTALLED) | $(call after,format)
	@$(BIN)/python -m bandit --quiet --recursive --configfile pyproject.toml src $(wildcard packages/*/src)

.PHONY: audit
audit: $(INSTALLED)
	@$(RUN) audit

.PHONY: test
test: $(INSTALLED) | $(call after,format) ## Run the tests with coverage (floor: 90 %)
	@# A process for each core, of one thread each, and 8 at most, because each takes half a gigabyte.
	@# Deploying needs a newer boto3 than Python 3.9 has, so there nothing of it can run.
	@NOT_COVERED=$$($(BIN)/python -c 'import sys; print("*/deployment/*" * (sys.version_info < (3, 10)))') \
	    OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q --numprocesses=auto --maxprocesses=8 --dist=loadfile \
	    --cov --cov-report=term --cov-report=xml:reports/coverage.xml

.PHONY: bench
bench: $(INSTALLED) ## Time set-up, gates, training, the service and its image against their peers; count monitor's false alarms
	@$(BIN)/python tests/bench

##@ CI

# Where each CI system's pipeline is: at the root, or waiting in ci/.
pipeline_of = $(wildcard $(2) ci/$(1)/$(2))
WORKFLOWS := $(call pipeline_of,github,.github/workflows/*.yml)

.PHONY: ci-lint
ci-lint: lint-workflows lint-schemas lint-docker lint-shell lint-makefile ## Lint the pipelines of all CI systems, the Dockerfile, shell scripts and this file

# zizmor reads workflows for what an attacker could use. What older Pythons have of it, and of the schemas, is too old.
.PHONY: lint-workflows
lint-workflows: $(INSTALLED)
	@$(BIN)/actionlint $(WORKFLOWS)
	@if test -x $(BIN)/zizmor; then \
	    $(BIN)/zizmor --quiet --offline --persona pedantic $(WORKFLOWS) .github/dependabot.yml; \
	else \
	    echo "ci-lint: zizmor and the schemas need Python 3.11 or newer: NOT CHECKED"; \
	fi

.PHONY: lint-schemas
lint-schemas: $(INSTALLED)
	@check() { schema=$$1; shift; $(BIN)/python -m check_jsonschema --quiet --builtin-schema "vendor.$$schema" "$$@"; }; \
	test ! -x $(BIN)/check-jsonschema || { \
	check github-workflows $(WORKFLOWS) && \
	check dependabot .github/dependabot.yml && \
	check gitlab-ci --data-transform gitlab-ci $(call pipeline_of,gitlab,.gitlab-ci.yml) && \
	check circle-ci $(call pipeline_of,circleci,.circleci/config.yml) && \
	check azure-pipelines --data-transform azure-pipelines --regex-variant nonunicode \
	    $(call pipeline_of,azure,azure-pipelines.yml) && \
	check compose-spec docker/compose.yaml; }

.PHONY: lint-docker
lint-docker: $(INSTALLED)
	@$(BIN)/hadolint docker/Dockerfile

.PHONY: lint-shell
lint-shell: $(INSTALLED)
	@git grep -lIz -E '^#!/(usr/)?bin/(env )?(ba)?sh' | xargs -0 $(BIN)/shellcheck

.PHONY: lint-makefile
lint-makefile: $(INSTALLED)
	@$(RUN) lint-makefile

.PHONY: ci-summary
ci-summary: $(INSTALLED) ## Show on the CI system's page what the run has to say
	@$(RUN) ci-summary

.PHONY: ci-outputs
ci-outputs: $(INSTALLED) ## Tell a workflow's next steps the pushed image's name and digest
	@$(RUN) ci-outputs

.PHONY: ci-switch
ci-switch: $(INSTALLED) ## Put another CI system's pipeline in place (TO=github, gitlab, jenkins, circleci or azure)
	@$(RUN) ci-switch

.PHONY: notify
notify: $(INSTALLED) ## Tell Slack and e-mail: STATUS=success|failure|cancelled WHAT=train (SUMMARY=reports/summary.md)
	@$(RUN) notify

.PHONY: ci-times
ci-times: $(INSTALLED) ## Table what each target took, compare and track it (MLflow's experiment ci)
	@$(RUN) ci-times

.PHONY: ci-report
ci-report: $(INSTALLED) ## Tell what this month's runners cost, by GitHub's API (GITHUB_REPOSITORY=… GITHUB_TOKEN=…)
	@$(RUN) ci-report
