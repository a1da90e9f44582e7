# Mainstem. `make` greets you and prints the next commands.

SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON_BIN := .venv/bin/python

# Everything binds to loopback, and nothing reports to anybody.
export SPARK_LOCAL_IP := 127.0.0.1
export MLFLOW_DISABLE_TELEMETRY := true
export GX_ANALYTICS_ENABLED := false
export PATH := $(CURDIR)/.venv/bin:$(PATH):/usr/sbin

.PHONY: help setup up down status demo test check unit simulate bench crash clean lock

help: ## Say hello and show what can be done
	@echo "Welcome to Mainstem: one definition of every feature, in batch, in stream and in every answer."
	@echo
	@echo "Start here:"
	@echo "  make setup    installs everything into this folder (a few minutes the first time)"
	@echo "  make demo     a year of real flights through every stage, with a report at the end"
	@echo "  make test     all checks and all tests"
	@echo
	@echo "All commands:"
	@sed -nE 's/^([a-z]+):.*## (.*)/\1|\2/p' $(MAKEFILE_LIST) | while IFS='|' read -r name text; do printf '  make %-8s %s\n' "$$name" "$$text"; done

setup: ## Install everything: Python packages, Java, Redis, jars
	@local_stack/setup.sh

up: setup ## Start the local broker and store
	@$(PYTHON_BIN) -m local_stack up

down: ## End every process of the local stack and remove its data
	@if [ -x $(PYTHON_BIN) ]; then $(PYTHON_BIN) -m local_stack down; else echo "nothing is set up, so nothing runs"; fi

status: setup ## Show what the local stack runs
	@$(PYTHON_BIN) -m local_stack status || true

demo: setup ## Run the whole system on a year of flights and report
	@.venv/bin/mainstem demo

check: setup ## Format, lint, types, arrows, and the repository's own tests
	ruff format --check .
	ruff check .
	mypy
	lint-imports
	$(PYTHON_BIN) -m pytest tests/repository -q

unit: setup ## The quick tests: units and laws
	tests/run.sh tests/unit tests/laws

test: check ## All checks and all tests, with the coverage of core and strategies
	tests/run.sh --cov tests/unit tests/laws tests/simulation tests/contracts tests/crash tests/integration tests/end_to_end

simulate: setup ## Ten thousand drawn days of merging with crashes, and every mistake that they must find
	$(PYTHON_BIN) -m tests.simulation
	$(PYTHON_BIN) -m tests.simulation --mutants

bench: setup ## Every benchmark, ours and the peer in the same run
	$(PYTHON_BIN) -m benchmarks

crash: setup ## Kill query, workers, broker and Redis in turn under load, and hold every answer to an oracle
	@$(PYTHON_BIN) -m tests.crash

clean: down ## Remove what runs leave behind; .venv and .jars stay
	rm -rf build spark-warehouse metastore_db derby.log mlruns .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +

lock: setup ## Resolve requirements.in again into requirements.lock
	uv pip compile -q --python-version 3.11 --generate-hashes --custom-compile-command 'make lock' requirements.in -o requirements.lock
