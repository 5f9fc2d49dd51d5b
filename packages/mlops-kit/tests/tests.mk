# The template's own targets. A generated project has none of these files: the kit's tests do not ship.

##@ The kit

CODE += packages
TYPED += $(wildcard packages/*/src)
GATES += imports kit-unit-test
# GitHub's are linted where they are in place (tests/template): one calls another by its path from the root.
PIPELINES += $(filter-out $(KIT)/ci/pipelines/systems/github/%,$(wildcard $(KIT)/ci/pipelines/systems/*/*))
MORE += packages/mlops-kit/tests/requirements.txt=$(GROUPS):test
IMAGE_TESTS += packages/mlops-kit/tests/image

.PHONY: imports
imports: $(INSTALLED) | $(call after,format) ## Check that every room imports only what stands before it (import-linter)
	@$(BIN)/python -c 'from importlinter.cli import lint_imports_command as lint; lint()' --no-logo --no-cache

.PHONY: kit-unit-test
kit-unit-test: $(WITH)dev | $(call after,format test) ## Run the kit's unit tests
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q $(PARALLEL) packages/mlops-kit/tests/unit

# From Python 3.12 on, coverage has a core for lines that costs a seventh of the time, not half of it.
CORE = $(BIN)/python -c 'import sys; print("sysmon" if sys.version_info >= (3, 12) else "ctrace")'

# Deploying needs a newer boto3 than Python 3.9 has, so there nothing of it can run.
.PHONY: kit-test
kit-test: $(WITH)dev ## Run the kit's tests, with coverage (floor: 90 %)
	@COVERAGE_CORE=$$($(CORE)) NOT_COVERED=$$($(BIN)/python -c 'import sys; print("*/delivery/deploy/*" * (sys.version_info < (3, 10)))') \
	    OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q $(PARALLEL) packages/mlops-kit/tests/unit \
	    packages/mlops-kit/tests/integration packages/mlops-kit/tests/deploy/test_first.py \
	    --cov --cov-config=packages/mlops-kit/pyproject.toml --cov-report=term --cov-report=xml:reports/coverage-kit.xml

# In a process of its own, because coverage is that of one package by its own tests. Like its package, it needs Python
# 3.10.
.PHONY: emulator-test
emulator-test: $(WITH)dev | $(call after,kit-test) ## Run the emulator's tests, with coverage (floor: 90 %)
	@COVERAGE_CORE=$$($(CORE)) OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q $(PARALLEL) packages/ecs-local/tests \
	    --cov --cov-config=packages/ecs-local/pyproject.toml --cov-report=term --cov-report=xml:reports/coverage-emulator.xml

.PHONY: page-test
page-test: $(WITH)dev ## Test the page in headless Chromium; pictures go to reports/page/
	@$(BIN)/python -m pytest -q -rs packages/mlops-kit/tests/page

.PHONY: pictures
pictures: $(INSTALLED) ## Make docs/pictures/ anew: the page, the report and a rollout, of this checkout's champion
	@$(BIN)/python packages/mlops-kit/tests/pictures

.PHONY: soak
soak: $(WITH)dev ## Send the service 100,000 requests: none lost, memory flat (SOAK_REQUESTS=100000)
	@$(BIN)/python -m pytest -q -s packages/mlops-kit/tests/soak

.PHONY: attack-test
attack-test: $(WITH)dev ## Attack the service at 256 MiB of memory: the other clients are answered (FUZZ_SEED=… FUZZ_SECONDS=10)
	@$(BIN)/python -m pytest -q -s packages/mlops-kit/tests/attack

.PHONY: deploy-test
deploy-test: $(WITH)dev ## Test every fault of a deployment to the emulator, under traffic; reports/deploy-faults.md
	@$(BIN)/python -m pytest -q -rs packages/mlops-kit/tests/deploy

.PHONY: infra-test
infra-test: $(WITH)dev ## Apply all of infra/ to an AWS on this machine, deploy there, destroy it
	@$(BIN)/python -m pytest -q -rs packages/mlops-kit/tests/infra

.PHONY: config-schema
config-schema: $(INSTALLED) ## Write the JSON schemas that editors check configs/*.yaml against
	@$(BIN)/python packages/mlops-kit/tests/write_schemas.py

.PHONY: release
release: $(INSTALLED) ## Tag the version of template and kit, if changelogs, digest and lock agree with it
	@$(BIN)/python tests/template/release.py

.PHONY: bench
bench: $(WITH)dev ## Time set-up, gates, training, the service and its image against their peers; count monitor's false alarms
	@$(BIN)/python packages/mlops-kit/tests/bench
