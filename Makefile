# `make` alone says what there is. Everything a target needs, it installs.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
PY := .venv/bin/python
LOCAL := PYTHONPATH=deploy/local $(PY) -m local_stack
ARGS ?=

.PHONY: help install venv demo up down scale test check format bench test-faults test-compose lock

help: ## This list
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed -E 's/:[^#]*## /\t/' | awk -F'\t' '{ printf "  make %-13s %s\n", $$1, $$2 }'

install: ## Installs all it needs: Python packages, Java, Kafka, MongoDB
	@deploy/local/install.sh servers
	@$(LOCAL) fetch

venv:
	@deploy/local/install.sh venv

demo: install ## The whole system with a made-up clinic, in the foreground; Ctrl-C ends it
	@exec env PYTHONPATH=deploy/local $(PY) -m local_stack demo

up: install ## Starts the system in the background
	@$(LOCAL) up

down: venv ## Stops it; the data stays
	@$(LOCAL) down

scale: venv ## make scale SERVICE=risk-engine COUNT=2
	@$(LOCAL) scale "$(SERVICE)" "$(COUNT)"

test: install ## All tests, a quarter of an hour; ARGS="-k name" for some
	@$(PY) tests/run.py $(ARGS)

check: venv ## Format, lint, types
	@$(PY) -m ruff format --check .
	@$(PY) -m ruff check .
	@$(PY) -m mypy
	@$(PY) -m mypy deploy/compose-test/run.py deploy/local/lock.py

format: venv ## Formats, and repairs what lint can repair
	@$(PY) -m ruff format .
	@$(PY) -m ruff check --fix .

bench: install ## Measures, ten minutes (docs/benchmarks.md); ARGS=--help for less
	@$(PY) tests/bench/run.py $(ARGS)

test-faults: install ## Kills, freezes and cuts, two minutes (docs/guarantees.md); ARGS=--help for more
	@$(PY) tests/faults/run.py $(ARGS)

test-compose: ## The containers: builds, starts, asks and removes them (needs Docker)
	@python3 deploy/compose-test/run.py

lock: ## Resolves the dependencies again, into the lock files
	@python3 -m venv .cache/uv && .cache/uv/bin/pip install -q uv
	@.cache/uv/bin/python deploy/local/lock.py .cache/uv/bin/uv
