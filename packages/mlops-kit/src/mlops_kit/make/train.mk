##@ More to train
#@ SEARCH_SET="key=value …"  DASK_SCHEDULER=tcp://…  ACCELERATOR=cuml

.PHONY: search
search: $(WITH)cluster ## Search for better parameters, as set in configs/search.yaml (DASK_SCHEDULER=tcp://… for a cluster)
	@$(RUN) search

.PHONY: mlflow-ui
mlflow-ui: $(WITH)mlflow ## Show the runs and models in the browser (PORT=5000)
	@$(RUN) mlflow-ui

# JupyterLab comes from uv's cache, on top of .venv: it is not in the lock.
.PHONY: notebook
notebook: $(INSTALLED) ## Open notebooks/explore.ipynb in JupyterLab: the data, the champion and its errors
	@VIRTUAL_ENV=$(CURDIR)/$(VENV) $(BIN)/uv run --quiet --active --no-project --with jupyterlab jupyter lab notebooks/explore.ipynb
