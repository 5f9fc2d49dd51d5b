# The one interface: people and every CI system call only these targets, and those of packages/mlops-kit/make/.
# Works with GNU make 3.81 (macOS) and newer, alone or with -j.

# Newest first. PYTHON=… names another interpreter; .venv is then built again with it.
PYTHONS := 3.13 3.12 3.11 3.10 3.9
PACKAGE := ml_template
# Where AWS_REGION, AWS_DEFAULT_REGION and the profile of AWS name no region.
export PROJECT_REGION := eu-west-1

# Names that the targets below use, like RUN and INSTALLED; and, at the end, the targets that are not for every day.
include packages/mlops-kit/make/base.mk

.PHONY: help
help:
	@printf 'Start with make pipeline, then make quality-gates. All targets: make help-all\n'
	@awk 'BEGIN { FS = ":.*## " } /^##@/ { print substr($$0, 5) } /^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' Makefile

##@ Set up

.PHONY: install
install: $(INSTALLED) ## Create .venv and install the locked dependencies

##@ Train

.PHONY: pipeline
pipeline: $(INSTALLED) ## train, validate and register, in this order
	@$(RUN) train
	@$(RUN) validate
	@$(RUN) register

.PHONY: train
train: $(INSTALLED) ## Fit the model that CONFIG describes and track the run
	@$(RUN) train

.PHONY: validate
validate: $(INSTALLED) | $(call after,train) ## Compare the last run with its thresholds and the champion
	@$(RUN) validate

.PHONY: register
register: $(INSTALLED) | $(call after,validate) ## Make the validated run the registered champion
	@$(RUN) register

.PHONY: report
report: $(INSTALLED) | $(call after,train validate register pipeline) ## Turn the last run into reports/index.html and a PDF
	@$(RUN) report

##@ Serve

.PHONY: export
export: $(INSTALLED) | $(call after,register pipeline) ## Write the champion (or MODEL=name@alias) to artifacts/model/
	@$(RUN) export

.PHONY: serve
serve: $(INSTALLED) | $(call after,export) ## Serve it on http://127.0.0.1:8000 (PORT=8000)
	@$(RUN) serve

.PHONY: predict
predict: $(INSTALLED) | $(call after,export) ## Score DATA=rows.csv into OUT=scores.csv
	@$(RUN) predict

##@ Deploy

.PHONY: image
image: $(INSTALLED) | $(call after,export) ## Build the service's image around artifacts/model/
	@$(RUN) image

# Without Docker, what ENV=local deploys is packed from artifacts/model/; `make image push deploy ENV=local` takes the image.
.PHONY: deploy
deploy: $(INSTALLED) $(if $(filter local,$(ENV)),$(if $(IMAGE_TAG)$(RESUME)$(filter push,$(MAKECMDGOALS)),,local-release)) | $(call after,push deploy-plan local-up) ## Deploy to ENV=local, staging or production, and verify
	@$(DEPLOY) deploy

.PHONY: status
status: $(INSTALLED) | $(call after,deploy rollback) ## Show what runs in ENV, and the last deployments
	@$(DEPLOY) status

.PHONY: rollback
rollback: $(INSTALLED) ## Bring back the release before in ENV (or TO=tag)
	@$(DEPLOY) rollback

##@ Check

.PHONY: format
format: $(INSTALLED) ## Rewrite the code with isort and black
	@$(BIN)/python -m isort --quiet $(CODE)
	@$(BIN)/python -m black --quiet $(CODE)

.PHONY: test
test: $(INSTALLED) | $(call after,format) ## Run the tests with coverage (floor: 90 %)
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q $(PARALLEL) \
	    --cov --cov-report=term --cov-report=xml:reports/coverage.xml

.PHONY: quality-gates
quality-gates: $(INSTALLED) | $(call after,format) ## Run every check side by side; all failures are shown
	@$(MAKE) --no-print-directory $(if $(findstring jobserver,$(MAKEFLAGS)),,-j$(CORES)) \
	    $(if $(filter output-sync,$(.FEATURES)),--output-sync=target) \
	    $(GATES)
	@echo "quality gates: all passed"

include $(filter-out %/base.mk,$(wildcard packages/*/make/*.mk packages/*/tests/*.mk))
