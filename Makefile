.DEFAULT_GOAL := help
.PHONY: help quickstart test test-quick test-fresh test-crashes build lint bench start stop clean

help: ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 14

quickstart: ## Install, build, start the daemon and run a command in a sandbox
	@scripts/quickstart.sh

test: ## Run all tests; installs what they need
	@scripts/test.sh

test-quick: ## Run the tests that need no VM, browser or binary
	@scripts/test.sh --quick

test-fresh: ## Run quickstart and all tests in a minimal Debian (needs root)
	@scripts/test-fresh.sh

test-crashes: ## Kill the daemon at every step of every operation (half an hour)
	@scripts/setup.sh machines
	@BHATTI_TEST_CRASHES=all .tools/node_modules/.bin/bun test --timeout 300000 tests/vm/crashes.test.ts

build: ## Build dist/bhatti with the guest agent in it
	@scripts/setup.sh build

lint: ## Check types, formatting and lint rules
	@scripts/lint.sh

bench: ## Run the benchmarks of docs/benchmarks.md
	@scripts/bench.sh

start: ## Start the daemon of this clone
	@scripts/start.sh

stop: ## Suspend the sandboxes of this clone to disk, then stop its daemon
	@scripts/stop.sh

clean: ## Delete everything created in this clone, including sandboxes (YES=1: do not ask)
	@YES=$(YES) scripts/clean.sh
