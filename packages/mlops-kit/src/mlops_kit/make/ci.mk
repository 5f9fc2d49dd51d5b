##@ CI

# Where the pipelines are: at the root. packages/mlops-kit/tests/tests.mk, which is not shipped, adds those in the kit.
PIPELINES := .
pipeline_of = $(wildcard $(addsuffix /$(1),$(PIPELINES)))
WORKFLOWS = $(call pipeline_of,.github/workflows/*.yml)
# $(call if_there,COMMAND,FILES): the command on these files, or nothing where there are none.
if_there = $(if $(strip $(2)),$(1) $(2),true)

.PHONY: ci-lint
ci-lint: lint-workflows lint-schemas lint-docker lint-shell lint-makefile ## Lint the pipeline, the Dockerfile, shell scripts and this file

# zizmor looks for vulnerabilities in workflows. Its releases for older Pythons, and those of the schemas, are too old.
.PHONY: lint-workflows
lint-workflows: $(WITH)dev
	@$(call if_there,$(BIN)/actionlint,$(WORKFLOWS))
	@if test -x $(BIN)/zizmor; then \
	    $(BIN)/zizmor --quiet --offline --persona pedantic $(WORKFLOWS) .github/dependabot.yml; \
	else \
	    echo "ci-lint: zizmor and the schemas need Python 3.11 or newer: NOT CHECKED"; \
	fi

.PHONY: lint-schemas
lint-schemas: $(WITH)dev
	@check() { schema=$$1; shift; $(BIN)/python -m check_jsonschema --quiet --builtin-schema "vendor.$$schema" "$$@"; }; \
	test ! -x $(BIN)/check-jsonschema || { \
	$(call if_there,check github-workflows,$(WORKFLOWS)) && \
	check dependabot .github/dependabot.yml && \
	$(call if_there,check gitlab-ci --data-transform gitlab-ci,$(call pipeline_of,.gitlab-ci.yml)) && \
	$(call if_there,check circle-ci,$(call pipeline_of,.circleci/config.yml)) && \
	$(call if_there,check azure-pipelines --data-transform azure-pipelines --regex-variant nonunicode,$(call pipeline_of,azure-pipelines.yml)) && \
	$(call if_there,check compose-spec,$(wildcard docker/compose.yaml)); }

.PHONY: lint-docker
lint-docker: $(WITH)dev
	@$(call if_there,$(BIN)/hadolint,$(wildcard docker/Dockerfile))

.PHONY: lint-shell
lint-shell: $(WITH)dev
	@git rev-parse --git-dir >/dev/null || \
	    { echo "error: git, which knows the scripts, is missing or failed, see above" >&2; exit 2; }
	@git grep -lIz -E '^#!/(usr/)?bin/(env )?(ba)?sh' | xargs -0 sh -c 'test $$# -eq 0 || $(BIN)/shellcheck "$$@"' sh

.PHONY: lint-makefile
lint-makefile: $(INSTALLED)
	@$(RUN) lint-makefile

.PHONY: ci-summary
ci-summary: $(INSTALLED) ## Show the run's summary on the CI system's page
	@$(RUN) ci-summary

.PHONY: ci-outputs
ci-outputs: $(INSTALLED) ## Pass the pushed image's name and digest to a workflow's next steps
	@$(RUN) ci-outputs

.PHONY: ci-identity
ci-identity: $(INSTALLED) ## Print the subject of this job's identity token, which a role in AWS has to trust
	@$(RUN) ci-identity

.PHONY: ci-switch
ci-switch: $(INSTALLED) ## Put another CI system's pipeline in place (TO=github, gitlab, jenkins, circleci or azure)
	@$(RUN) ci-switch

.PHONY: notify
notify: $(INSTALLED) ## Notify Slack and e-mail: STATUS=success|failure|cancelled WHAT=train (SUMMARY=reports/summary.md)
	@$(RUN) notify

.PHONY: ci-times
ci-times: $(INSTALLED) ## Show, compare and track the duration of each target (MLflow's experiment ci)
	@$(RUN) ci-times

.PHONY: ci-report
ci-report: $(INSTALLED) ## Report what this month's runners cost, by GitHub's API (GITHUB_REPOSITORY=… GITHUB_TOKEN=…)
	@$(RUN) ci-report
