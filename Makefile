# `make help` lists what is here. Every target first installs what it needs and says so.

SHELL := bash
.DEFAULT_GOAL := help

# Options for one run, for example `make demo ARGS=--yes` or `make test-swift ARGS="--filter CursorTests"`.
ARGS ?=

BUILD := .build
PYTHON := $(BUILD)/venv/bin/python
PYTEST := SVC_ROOT=$(CURDIR)/$(BUILD)/services TERAPI_BINARY=$(CURDIR)/$(BUILD)/debug/terapi \
	$(PYTHON) -m pytest Tests/EndToEnd

.PHONY: help
help: ## Show this list
	@awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: setup
setup: ## Install the system packages that building needs, if any is missing
	@Scripts/setup.sh build

.PHONY: setup-test
setup-test:
	@Scripts/setup.sh build test

.PHONY: build
build: setup ## Build the release binary: .build/release/terapi
	swift build -c release

.PHONY: release
release: build ## Build the release binary and show its size and the shared libraries that it needs
	@ls -l $(BUILD)/release/terapi
	@if command -v ldd >/dev/null; then ldd $(BUILD)/release/terapi; else otool -L $(BUILD)/release/terapi; fi

.PHONY: demo
demo: build ## The whole way in one terminal, without internet and accounts (ARGS=--yes: without a browser)
	$(BUILD)/release/terapi demo $(ARGS)

# One debug build serves the Swift tests and, as the binary under test, the journeys.
.PHONY: test
test: setup-test ## Run every test: Swift, then the end-to-end journeys
	swift build --build-tests
	Scripts/test-swift.sh
	$(PYTEST)

.PHONY: test-full
test-full: setup-test ## The same with the long forms: 100 kills, 60 s of four writers and a reader
	swift build --build-tests
	export TERAPI_TEST_FULL=1; Scripts/test-swift.sh && $(PYTEST)

.PHONY: test-swift
test-swift: setup ## Only the Swift tests (ARGS="--filter NAME")
	swift test $(ARGS)

.PHONY: test-journeys
test-journeys: setup-test ## Only the end-to-end journeys (ARGS="-k NAME")
	swift build --product terapi
	$(PYTEST) $(ARGS)

# What to measure: sync, read, scripts, proxy, idle or all.
.PHONY: bench
bench: ## Measure beside others that do the same work, and print the ratios (ARGS="sync --rounds 3")
	@Scripts/setup.sh build bench
	swift build -c release
	S=$(CURDIR)/$(BUILD)/bench W=1 Benchmarks/Peers/setup.sh start
	S=$(CURDIR)/$(BUILD)/bench $(BUILD)/bench-venv/bin/python Benchmarks/bench.py $(or $(ARGS),all); \
		status=$$?; S=$(CURDIR)/$(BUILD)/bench Benchmarks/Peers/setup.sh stop; exit $$status

.PHONY: lint
lint: ## Check the format and the rules of the house
	@Scripts/lint.sh

.PHONY: format
format: ## Apply the format
	swift format --in-place --recursive --parallel Package.swift Sources Tests

.PHONY: docs
docs: setup ## Write the generated documents: docs/configuration.md
	swift build --product terapi
	mkdir -p docs
	$(BUILD)/debug/terapi config > docs/configuration.md

.PHONY: verify
verify: setup ## Check that the generated documents are what the program says
	swift build --product terapi
	$(BUILD)/debug/terapi config | diff docs/configuration.md -

.PHONY: clean
clean: ## Remove everything that was built or installed below .build
	rm -rf $(BUILD)
