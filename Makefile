# One line for each thing a person does here. `make help` lists them.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip install --quiet --disable-pip-version-check -c requirements/constraints.txt
SAMPLE_DATA := $(wildcard ../shared/data)
export GATEWAY_SAMPLE_DATA ?= $(if $(SAMPLE_DATA),$(abspath $(SAMPLE_DATA)))
export YOLO_OFFLINE := true

DEBIAN_SERVICE := python3-venv python3-gi gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad fonts-wqy-microhei
DEBIAN_TEST := $(DEBIAN_SERVICE) ffmpeg gstreamer1.0-tools chromium fonts-noto-cjk postgresql iproute2 mosquitto baresip-core baresip-ffmpeg

# Peers to measure beside.
DEBIAN_BENCH := janus

.PHONY: help
help: ## List what can be done
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 20

$(BIN)/python:
	@scripts/debian-packages $(DEBIAN_SERVICE)
	@echo "Making the Python environment in $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) --upgrade pip setuptools wheel

$(VENV)/.service: requirements/service.txt requirements/constraints.txt pyproject.toml | $(BIN)/python
	@scripts/debian-packages $(DEBIAN_SERVICE)
	@echo "Installing the service (no torch)"
	@$(PIP) -r requirements/service.txt
	@$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.train: requirements/train.txt requirements/train-no-deps.txt requirements/constraints.txt $(VENV)/.service
	@echo "Installing the training extra (torch, ultralytics)"
	@$(PIP) -r requirements/train.txt
	@$(PIP) --no-deps -r requirements/train-no-deps.txt
	@touch $@

$(VENV)/.test: requirements/test.txt $(VENV)/.service $(VENV)/.train
	@scripts/debian-packages $(DEBIAN_TEST)
	@echo "Installing the test tools"
	@$(PIP) -r requirements/test.txt
	@touch $@

CONSOLE := gateway/console
CONSOLE_SOURCES := $(shell find $(CONSOLE)/src $(CONSOLE)/public -type f 2>/dev/null) $(wildcard $(CONSOLE)/*.json $(CONSOLE)/*.ts $(CONSOLE)/index.html)
NPM := PATH="$(abspath $(BIN)):$$PATH" npm --prefix $(CONSOLE)

$(CONSOLE)/node_modules/.installed: $(CONSOLE)/package-lock.json $(VENV)/.service
	@echo "Installing what the console is built with"
	@$(NPM) ci --no-audit --no-fund --loglevel=error
	@touch $@

$(CONSOLE)/dist/index.html: $(CONSOLE_SOURCES) $(CONSOLE)/node_modules/.installed
	@echo "Building the console"
	@$(NPM) run --silent build
	@touch $@

.PHONY: setup
setup: $(VENV)/.service $(CONSOLE)/dist/index.html ## Install the service and build its console

.PHONY: train-setup
train-setup: $(VENV)/.train ## Install the training extra (torch, ultralytics)

.PHONY: demo
demo: setup ## Run the whole chain with virtual cameras on this machine
	@$(BIN)/gateway demo

.PHONY: format
format: $(VENV)/.test ## Bring the code into its form
	@$(BIN)/ruff check --quiet --fix . && $(BIN)/ruff format --quiet .

.PHONY: lint
lint: $(VENV)/.test ## Form, mistakes, who may import whom
	@$(BIN)/ruff check --quiet . && $(BIN)/ruff format --quiet --check .
	@$(BIN)/lint-imports --no-logo --no-cache

.PHONY: types
types: $(VENV)/.test $(CONSOLE)/node_modules/.installed ## Types of all packages and of the console
	@$(BIN)/mypy
	@$(NPM) run --silent check

.PHONY: unit
unit: $(VENV)/.test ## Tests that need nothing but Python
	@$(BIN)/python -m pytest -q -n 2 -m "not integration and not train"

# A test process that dies ends the run with its name: xdist, given another, waits for what the dead one held for ever.
# More than half of a test's time is waiting for cameras, browsers and processes: three at once keep two cores busy.
.PHONY: test
test: $(VENV)/.test $(CONSOLE)/dist/index.html lint types ## Everything: lint, types, unit and integration tests
	@$(BIN)/python -m pytest -q -n 3 --dist loadgroup --max-worker-restart=0

.PHONY: bench
bench: $(VENV)/.test $(CONSOLE)/dist/index.html ## One measurement: make bench BENCH=demo
	@scripts/debian-packages $(DEBIAN_BENCH) >&2 || true
	@$(BIN)/python -m bench "$(BENCH)"

.PHONY: clean
clean: ## Remove what was installed and built here; records in var/ stay
	@rm -rf $(VENV) $(CONSOLE)/node_modules $(CONSOLE)/dist .mypy_cache .ruff_cache .pytest_cache
