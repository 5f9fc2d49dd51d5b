##@ Infrastructure
#@ TERRAFORM=terraform

# make does not install Terraform, which has a licence of its own. OpenTofu works as well: TERRAFORM=tofu
export TERRAFORM ?= terraform

# In an environment of its own, because its dependencies conflict with ours; only infra-check needs it.
CHECKOV := $(VENV)/checkov
$(CHECKOV)/.installed: infra/requirements-checkov.txt $(INSTALLED)
	@$(UV) venv --quiet --clear --python $(BIN)/python $(CHECKOV)
	@$(UV) pip sync --quiet --require-hashes --python $(CHECKOV) infra/requirements-checkov.txt
	@touch $@

.PHONY: infra-check
infra-check: $(CHECKOV)/.installed ## Check the Terraform without an account: format, validity, its tests, checkov
	@$(RUN) infra-check --checkov $(CHECKOV)/bin/checkov

.PHONY: infra-plan
infra-plan: $(INSTALLED) ## Show what would change in ENV=bootstrap, shared, staging or production
	@$(RUN) infra-plan

.PHONY: infra-apply
infra-apply: $(INSTALLED) ## Show what would change, ask (AUTO_APPROVE=1: do not), and apply it
	@$(RUN) infra-apply

.PHONY: infra-destroy
infra-destroy: $(INSTALLED) ## Destroy ENV once its name is typed (or CONFIRM=…); what is protected stays
	@$(RUN) infra-destroy

.PHONY: infra-cost
infra-cost: $(INSTALLED) ## Estimate what ENV, or each environment, costs in a month
	@$(RUN) infra-cost

.PHONY: infra-lock
infra-lock: $(INSTALLED) ## Refresh infra/requirements-checkov.txt
	@echo checkov | $(UV) pip compile --quiet - --universal --python-version 3.9 \
	    --generate-hashes --upgrade --no-emit-find-links --custom-compile-command "make infra-lock" \
	    --output-file infra/requirements-checkov.txt

.PHONY: train-remote
train-remote: $(AWS) ## Train on ECS in ENV and follow it (CONFIG=… SET=…)
	@$(DEPLOY) train-remote
