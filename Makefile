# The one interface: people and every CI system call only these targets, and those of the kit's make/.
# Works with GNU make 3.81 (macOS) and newer, alone or with -j.

# Newest first. PYTHON=… names another interpreter; .venv is then built again with it.
PYTHONS := 3.14 3.13 3.12 3.11 3.10 3.9
PACKAGE := ml_template
# The profile chosen when the project was made: full, service (no AWS) or model (no service). `make ci-switch` reads it.
PROFILE := full
# The region where AWS_REGION, AWS_DEFAULT_REGION and the profile of AWS name none.
export PROJECT_REGION := eu-west-1

# The kit: its folder, or, where that was deleted, the wheel that requirements.txt names. Its make/ has variables that
# the targets below use, like RUN and INSTALLED, and, included at the end, the less frequent targets.
KIT := $(firstword $(wildcard packages/mlops-kit/src/mlops_kit) .kit/mlops_kit)
include $(KIT)/make/base.mk

.PHONY: help
help:
	@printf 'Start with make pipeline, then make quality-gates. All targets: make help-all\n'
	@awk 'BEGIN { FS = ":.*## " } /^##@/ { print substr($$0, 5) } /^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' Makefile

##@ Set up

.PHONY: install
install: $(INSTALLED) ## Create .venv and install the locked dependencies

##@ Train
#@ CONFIG=configs/train.yaml  SET="key=value …"

# One process, which imports everything once. An accelerator replaces scikit-learn in a whole process, and its model has to
# be validated without it.
separately := $(filter-out cpu,$(ACCELERATOR))
.PHONY: pipeline
pipeline: $(INSTALLED) ## train, validate and register, in this order
	@$(RUN) $(if $(separately),train,pipeline)
	$(if $(separately),@$(RUN) validate)
	$(if $(separately),@$(RUN) register)

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
#@ MODEL=name@alias  DATA=…  OUT=…  PORT=…  SERVE_SET="key=value …"

.PHONY: export
export: $(WITH)serving | $(call after,register pipeline) ## Write the champion (or MODEL=…) to artifacts/model/
	@$(RUN) export

.PHONY: serve
serve: $(WITH)serving | $(call after,export) ## Serve it on http://127.0.0.1:8000 (PORT=8000)
	@$(RUN) serve

.PHONY: predict
predict: $(WITH)serving $(if $(value DASK_SCHEDULER),$(WITH)cluster) | $(call after,export) ## Score DATA=rows.csv into OUT=scores.csv
	@$(RUN) predict

.PHONY: image
image: $(INSTALLED) | $(call after,export) ## Build the service's image around artifacts/model/
	@$(RUN) image

##@ Deploy

# Without Docker, what ENV=local deploys is packed from artifacts/model/; `make image push deploy ENV=local` takes the image.
.PHONY: deploy
deploy: $(AWS) $(if $(filter local,$(ENV)),$(if $(IMAGE_TAG)$(RESUME)$(filter push,$(MAKECMDGOALS)),,local-release)) | $(call after,push deploy-plan local-up) ## Deploy to ENV=local, staging or production, and verify
	@$(DEPLOY) deploy

.PHONY: status
status: $(AWS) | $(call after,deploy rollback) ## Show what runs in ENV, and the last deployments
	@$(DEPLOY) status

.PHONY: rollback
rollback: $(AWS) ## Bring back the previous release in ENV (or TO=tag)
	@$(DEPLOY) rollback

##@ Check

.PHONY: format
format: $(WITH)dev ## Rewrite the code with isort and black
	@$(BIN)/python -m isort --quiet $(CODE)
	@$(BIN)/python -m black --quiet $(CODE)

.PHONY: test
test: $(WITH)dev $(SERVING) | $(call after,format) ## Run the tests with coverage (floor: 90 %)
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q $(PARALLEL) \
	    --cov --cov-report=term --cov-report=xml:reports/coverage.xml

.PHONY: quality-gates
quality-gates: $(WITH)dev $(SERVING) | $(call after,format) ## Run every check side by side; all failures are shown
	@echo "quality gates: $(strip $(GATES)), side by side"
	@$(if $(TIMER),$(BIN)/python -IS $(KIT)/ci/metrics/gates.py all) $(MAKE) --no-print-directory \
	    $(if $(findstring jobserver,$(MAKEFLAGS)),,-j$(CORES)) \
	    $(if $(TIMER),,$(if $(filter output-sync,$(.FEATURES)),--output-sync=target)) \
	    $(GATES)
	@echo "quality gates: all passed"

include $(KIT)/make/setup.mk
include $(KIT)/make/train.mk
include $(KIT)/make/serve.mk
include $(KIT)/make/image.mk
include $(KIT)/make/deploy.mk
include $(KIT)/make/infra.mk
include $(KIT)/make/check.mk
include $(KIT)/make/docs.mk
include $(KIT)/make/ci.mk
include $(wildcard packages/*/tests/*.mk)

# Without the folder pip unpacks the wheel here, because make needs its make/ before there is a .venv.
.kit/mlops_kit/make/base.mk: requirements.txt
	@rm -rf .kit
	@"$(or $(PYTHON),python3)" -m venv .kit/venv || \
	    { echo "error: $(or $(PYTHON),python3) could not make .kit/venv, see above: give PYTHON=… (Debian, Ubuntu: apt install python3-venv)" >&2; exit 2; }
	@awk '/^--/ { print } /^mlops-kit/ { kit = found = 1 } kit { print } !/\\$$/ { kit = 0 } END { exit !found }' \
	    requirements.txt > .kit/kit.txt || \
	    { echo "error: no packages/mlops-kit here, and no mlops-kit in requirements.txt: git checkout packages/mlops-kit" >&2; exit 2; }
	@PIP_USER=0 PIP_PREFIX='' PIP_ROOT='' PIP_PYTHON='' PIP_REQUIRE_VIRTUALENV=0 \
	.kit/venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes \
	    --ignore-requires-python --target .kit --requirement .kit/kit.txt
	@touch $@
.kit/mlops_kit/make/%.mk: .kit/mlops_kit/make/base.mk ;
