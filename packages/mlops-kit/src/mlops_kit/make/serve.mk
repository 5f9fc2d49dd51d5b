##@ Monitor
#@ MONITOR_SET="key=value …"

.PHONY: monitor
monitor: $(INSTALLED) ## Compare what the service was asked lately with the champion's own rows (MONITOR_SET="source=…")
	@$(RUN) monitor

.PHONY: retrain
retrain: $(INSTALLED) ## monitor, and past its limits train, validate and register
	@$(RUN) retrain
