# ContactPulse: everything a developer runs. `make` alone lists the targets.

PYTHON ?= python3
PORT ?= 8080
DATA_DIR ?= contactpulse-data
ARGS ?=

UV_VERSION := 0.13.9
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.set-up
SOURCES := schemas streams services grafana tests bench

# uv works in this environment only, with this Python, whatever else is activated or installed.
export UV_PROJECT_ENVIRONMENT := $(VENV)
export UV_PYTHON := $(BIN)/python
export UV_PYTHON_DOWNLOADS := never
unexport VIRTUAL_ENV PYTHONHOME PYTHONPATH

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup up test soak bench lint format clean

help: ## List the targets
	@echo "ContactPulse. Targets:"
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
	@echo "Variables of up: PORT=$(PORT)  DATA_DIR=$(DATA_DIR)  ARGS=\"--workers 2 ...\" (see $(BIN)/contactpulse up --help)"

setup: $(STAMP) ## Build .venv with locked dependencies; the command is then .venv/bin/contactpulse

up: setup ## Run the product with live sample traffic on http://127.0.0.1:8080; Ctrl-C stops it
	@exec $(BIN)/contactpulse up --port $(PORT) --data-dir "$(DATA_DIR)" $(ARGS)

# Two at a time, a file's tests together: many wait for brokers and databases to start, and two cores suffice. In the
# order of their folders, the whole product first: by themselves the files of few tests, which take minutes, come last.
test: setup ## Run all tests; some of them: make test ARGS="tests/unit -k calendar"
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder $(ARGS)

MINUTES ?= 20
soak: setup ## Change members of the stream under load for MINUTES=20, and compare with the oracle after each round
	SOAK_MINUTES=$(MINUTES) $(BIN)/pytest tests/integration/streams/test_members.py $(ARGS)

bench: setup ## Measure throughput and latency on this machine
	$(BIN)/python -m bench $(ARGS)

lint: setup ## Check style, types, import directions, dependencies and the committed documents
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/deptry .
	$(BIN)/python -m schemas.documents --check
	$(BIN)/python -m grafana.build --check

format: setup ## Put all code into the house style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean: ## Remove .venv and what tools left behind; kept data (contactpulse-data) stays
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist build
	find $(SOURCES) -name __pycache__ -type d -prune -exec rm -rf {} +

# Done again only where what is locked has changed.
$(STAMP): pyproject.toml uv.lock services/local/kafka-jars.lock | $(BIN)/uv
	$(BIN)/uv sync --frozen --all-extras --quiet
	@# Apache Kafka's jars, so that `up` needs no network later. Without them it does with less, and says so.
	@$(BIN)/python -m services.local.jars || echo "make: Apache Kafka could not be prepared; \`make up\` tries again" >&2
	@touch $@

$(BIN)/uv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "make: Python 3.11 or later is needed, $(PYTHON) is \"$$($(PYTHON) --version 2>&1)\";" \
			"name another: make setup PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
		echo "make: $(PYTHON) has no venv module; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
