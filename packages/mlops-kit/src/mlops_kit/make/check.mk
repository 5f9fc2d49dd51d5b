##@ Single checks

.PHONY: format-check
format-check: check-black check-isort ## Check the format (black, isort)

.PHONY: check-black
check-black: $(WITH)dev | $(call after,format)
	@$(BIN)/python -m black --quiet --check --diff $(CODE)

.PHONY: check-isort
check-isort: $(WITH)dev | $(call after,format)
	@$(BIN)/python -m isort --quiet --check --diff $(CODE)

.PHONY: lint
lint: $(WITH)dev | $(call after,format) ## Lint (ruff)
	@$(BIN)/ruff check --quiet $(CODE)

.PHONY: type-check
type-check: $(WITH)dev | $(call after,format) ## Check the types (mypy, strict)
	@$(BIN)/python -m mypy --no-error-summary $(TYPED)

.PHONY: security
security: bandit audit ## Scan the code (bandit) and the locked dependencies (pip-audit)

# bandit ends with 0 even if it could not read files, and prints their number unless it is quiet.
.PHONY: bandit
bandit: $(WITH)dev | $(call after,format)
	@output=$$($(BIN)/python -m bandit --recursive --format txt --configfile pyproject.toml $(TYPED) 2>&1); ended=$$?; \
	case "$$ended $$output" in \
	    "0 "*"Files skipped (0):"*) ;; \
	    *) printf '%s\n' "$$output"; exit 1 ;; \
	esac

.PHONY: audit
audit: $(WITH)dev
	@$(RUN) audit

.PHONY: kit-check
kit-check: $(INSTALLED) ## Compare packages/, which nobody edits, with the release
	@$(RUN) kit-check

.PHONY: kit-warnings
kit-warnings: $(INSTALLED)
	@$(RUN) kit-check --warn
