##@ More to train
#@ SEARCH_SET="key=value …"  DASK_SCHEDULER=tcp://…  ACCELERATOR=cuml

.PHONY: search
search: $(INSTALLED) ## Search for better parameters, as configs/search.yaml says (DASK_SCHEDULER=tcp://… for a cluster)
	@$(RUN) search

.PHONY: mlflow-ui
mlflow-ui: $(INSTALLED) ## Show the runs and models in the browser (PORT=5000)
	@$(RUN) mlflow-ui

# JupyterLab lies in uv's cache, over .venv for the while: it is in nobody's lock.
.PHONY: notebook
notebook: $(INSTALLED) ## Open notebooks/explore.ipynb in JupyterLab: the data, the champion and its errors
	@VIRTUAL_ENV=$(CURDIR)/$(VENV) $(BIN)/uv run --quiet --active --no-project --with jupyterlab jupyter lab notebooks/explore.ipynb
