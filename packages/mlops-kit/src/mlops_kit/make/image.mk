##@ Image

# packages/mlops-kit/tests/tests.mk, which is not shipped, adds the kit's.
IMAGE_TESTS := tests/image

.PHONY: image-test
image-test: $(WITH)dev | $(call after,image) ## Test the built image (or IMAGE=…) in real containers
	@$(BIN)/python -m pytest -q -rs $(IMAGE_TESTS)

.PHONY: image-scan
image-scan: $(WITH)dev | $(call after,image) ## Scan what is in the image for known vulnerabilities
	@$(RUN) image-scan

.PHONY: image-push
image-push: $(INSTALLED) | $(call after,image image-test) ## Push the image to REGISTRY=host/path and note its digest (REGISTRY_USER=… with REGISTRY_PASSWORD)
	@$(RUN) image-push

.PHONY: image-train
image-train: $(INSTALLED) ## Build the image that trains (BASE=… with CUDA and Python for GPUs)
	@$(RUN) image-train

.PHONY: image-lock
image-lock: $(INSTALLED) ## Refresh docker/requirements-*.txt with the versions of requirements.txt
	@for form in onnx skops; do \
	    $(UV) pip compile --quiet --group $(KIT)/make/pyproject.toml:image-$$form --constraint requirements.txt --universal \
	        --constraint requirements/serving.txt --python-version $(lastword $(PYTHONS)) --generate-hashes --no-strip-extras \
	        --custom-compile-command "make image-lock" \
	        --output-file docker/requirements-$$form.txt || exit; \
	done

.PHONY: compose-up
compose-up: $(INSTALLED) | $(call after,image) ## Run the image beside MLflow with Postgres and an object store
	@$(RUN) compose-up

.PHONY: compose-down
compose-down: $(INSTALLED) ## Stop what compose-up started; its data stays
	@$(RUN) compose-down
