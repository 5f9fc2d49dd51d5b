##@ More to train
#@ SEARCH_SET="key=value …"  DASK_SCHEDULER=tcp://…  ACCELERATOR=cuml

.PHONY: search
search: $(INSTALLED) ## Search for better parameters, as configs/search.yaml says (DASK_SCHEDULER=tcp://… for a cluster)
	@$(RUN) search

.PHONY: mlflow-ui
mlflow-ui: $(INSTALLED) ## Show the runs and models in the browser (PORT=5000)
	@$(RUN) mlflow-ui
