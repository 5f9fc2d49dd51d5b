##@ Record

.PHONY: ship
ship: $(INSTALLED) ## Ship the running service's records to another folder or S3 (SERVE_SET="record.folder=… record.to=…")
	@$(RUN) serve --ship

##@ Monitor
#@ MONITOR_SET="key=value …"  SINCE=2026-11-20  UNTIL=…

# ENV=local uses the emulator.
MONITORED = $(if $(and $(filter local,$(ENV)),$(wildcard packages/ecs-local)),$(BIN)/python -m ecs_local run) $(RUN)

.PHONY: monitor
monitor: $(AWS) ## Compare recent requests to the service with the champion's own rows (ENV=… or MONITOR_SET="source=…")
	@$(MONITORED) monitor

.PHONY: retrain
retrain: $(AWS) ## monitor, and past its limits train, validate and register a challenger
	@$(MONITORED) retrain

.PHONY: labels
labels: $(AWS) ## Join the labels in DATA=… to the predictions, and show how good these were, day by day (ENV=…)
	@$(MONITORED) labels

.PHONY: compare
compare: $(AWS) ## Compare the challenger's predictions with the champion's, with the labels in DATA=… (ENV=…)
	@$(MONITORED) compare

.PHONY: promote
promote: $(INSTALLED) ## Make the challenger, which retrain left, the champion; one that compare found worse needs REASON="…"
	@$(RUN) promote
