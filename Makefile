# Thin calls of scripts, so that make itself is not essential.
.PHONY: demo test test-full lint lock
demo:
	@scripts/demo.sh
test:
	@scripts/test.sh
test-full:
	@scripts/test.sh --full
lint:
	@scripts/lint.sh
lock:
	@scripts/lock.sh
