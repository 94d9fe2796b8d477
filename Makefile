.DEFAULT_GOAL := help
.PHONY: help quickstart test test-quick test-fresh test-crashes build lint bench start stop clean

help: ## This list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 14

quickstart: ## From nothing to the output of a command in a machine of its own
	@scripts/quickstart.sh

test: ## Whatever set-up is missing, then every test
	@scripts/test.sh

test-quick: ## The tests that need no machine, no browser and no binary
	@scripts/test.sh --quick

test-fresh: ## Test the committed state on a minimal system of its own: needs root
	@scripts/test-fresh.sh

test-crashes: ## The daemon dies, and the host reboots, at every step of every operation: half an hour
	@scripts/setup.sh machines
	@BHATTI_TEST_CRASHES=all .tools/node_modules/.bin/bun test --timeout 300000 tests/vm/crashes.test.ts

build: ## dist/bhatti and the guest agent inside it
	@scripts/setup.sh build

lint: ## Types, format and rules of both languages
	@scripts/lint.sh

bench: ## The published table, measured here
	@scripts/bench.sh

start: ## Start this clone's daemon again
	@scripts/start.sh

stop: ## Put this clone's sandboxes into files, to go on later, and end its daemon
	@scripts/stop.sh

clean: ## Remove everything that was made here: sandboxes, snapshots and images too. Asks first; YES=1 answers
	@YES=$(YES) scripts/clean.sh
