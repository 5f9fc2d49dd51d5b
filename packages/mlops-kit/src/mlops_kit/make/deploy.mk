##@ More to deploy
#@ ENV=local|staging|production  DEPLOY_SET="key=value …"

# The targets below use the environment's images: its repository, by digest. ENV=local is an AWS on this machine
# (packages/ecs-local/): the deployer calls it as it calls the real one. `run` sets its address in AWS's own variables, and
# refuses if the emulator of this folder does not run, even if another process has its port.
export LOCAL_COMMANDS := make local-{}
LOCAL := $(BIN)/python -m ecs_local
DEPLOY = $(if $(filter local,$(ENV)),$(LOCAL) run) $(RUN)

.PHONY: push
push: $(AWS) | $(call after,image image-test image-scan local-up) ## Push the image to the repository of ENV, once, as a release
	@$(DEPLOY) push

.PHONY: deploy-plan
deploy-plan: $(AWS) | $(call after,push) ## Show what make deploy would change (ENV=… IMAGE_TAG=…)
	@$(DEPLOY) deploy-plan

.PHONY: verify
verify: $(AWS) | $(call after,push) ## Check all that a deployment to ENV needs; changes nothing
	@$(DEPLOY) verify

.PHONY: logs
logs: $(AWS) ## Show what the service in ENV logged (MINUTES=15)
	@$(DEPLOY) logs

.PHONY: local-up
local-up: $(WITH)local ## Start an AWS for ENV=local on this machine: ECS with real tasks, a load balancer, a registry
	@$(LOCAL) up
	@$(LOCAL) run $(RUN) local-account

.PHONY: local-down
local-down: $(WITH)local ## Stop that AWS and its tasks; what was deployed stays for the next local-up
	@$(LOCAL) down

.PHONY: local-release
local-release: $(WITH)local | $(call after,export local-up)
	@$(LOCAL) run $(RUN) local-release
	@$(DEPLOY) push
