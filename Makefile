# Thin calls of scripts, so that make itself is not essential. `make demo SPARK=1` installs Spark and shows its part too.
.PHONY: demo demo-house test test-full test-kubernetes images lint lock
demo:
	@scripts/demo.sh $(if $(SPARK),--spark)
demo-house:
	@scripts/demo-house.sh $(if $(FULL),--full) $(if $(MLFLOW),--mlflow)
test:
	@scripts/test.sh
test-full:
	@scripts/test.sh --full
test-kubernetes:
	@scripts/test-kubernetes.sh
images:
	@scripts/images.sh
lint:
	@scripts/lint.sh
lock:
	@scripts/lock.sh
