# Everything below works from a fresh clone with nothing but python (3.11 or newer) and make.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STUDENTS ?= 400
EVENTS ?= 300

.PHONY: help setup db stop psql migrate population load train backtest serve worker demo test lint fmt check docs screenshots bench bench-full clean

help: ## Show this list
	@echo "eventrank: the event recommender that lives in your own PostgreSQL"
	@echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo "DATABASE_URL names the PostgreSQL (15 or newer); unset, an embedded one under .data/ is used."

$(VENV)/.installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "error: $(PYTHON) is $$($(PYTHON) -V 2>&1), Python 3.11 or newer is needed: make PYTHON=python3.12 …" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { \
	  echo "error: $(PYTHON) has no venv module: install python3-venv (Debian, Ubuntu) or name another one with make PYTHON=…" >&2; exit 1; }
	@echo "setting up $(VENV) …"
	@$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

setup: $(VENV)/.installed ## Make the virtual environment in .venv/

db: setup ## Start the embedded PostgreSQL (other targets do when they need it)
	@$(BIN)/python scripts/db.py start

stop: setup ## Stop the embedded PostgreSQL
	@$(BIN)/python scripts/db.py stop

psql: setup ## Open psql on the database
	@$(BIN)/python scripts/db.py psql

migrate: setup ## Bring the schema up to date: migrations/, then sql/
	@$(BIN)/python scripts/migrate.py

population: migrate ## Generate a synthetic population (STUDENTS=400 EVENTS=300)
	@$(BIN)/python scripts/generate_population.py --students $(STUDENTS) --events $(EVENTS)

load: ## Load a folder of CSV files (DIR=path/to/folder)
	@test -n "$(DIR)" || { echo "error: say which folder: make load DIR=path/to/folder" >&2; exit 2; }
	@$(MAKE) --no-print-directory migrate
	@$(BIN)/python scripts/load_dataset.py "$(DIR)"

train: migrate ## Train a model and write every student's list
	@$(BIN)/python scripts/recompute_recommendations_ml.py

backtest: $(VENV)/.bench-installed migrate ## Judge a trained model on the past (ARGS=… for scripts/backtest.py)
	@mkdir -p .data/bench
	@$(BIN)/python scripts/backtest.py --json .data/bench/backtest.json \
	  --picture .data/bench/backtest.svg $(ARGS)

serve: migrate ## Serve the HTTP API on HOST=127.0.0.1 PORT=8000, with the demo's key unless SECRET_KEY
	@SECRET_KEY="$${SECRET_KEY:-$$(cat .data/secret_key 2>/dev/null || true)}" \
	  exec $(BIN)/python -m app

worker: migrate ## Run background jobs, beside make serve: TASK_QUEUE_ENABLED=true
	@TASK_QUEUE_ENABLED=true exec $(BIN)/python -m app.worker

demo: setup ## From nothing to a site that looks alive: population, two weeks of traffic, 127.0.0.1:8000
	@exec $(BIN)/python scripts/demo.py --students $(STUDENTS) --events $(EVENTS)

test: setup ## Run all tests on a real PostgreSQL (ARGS=… for pytest)
	@$(BIN)/python -m pytest $(ARGS)

lint: setup ## Check style and types; changes nothing
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/squawk migrations/0*.sql
	@$(BIN)/mypy
	@$(BIN)/sqlfluff lint --disable-progress-bar sql scripts/roles

fmt: setup ## Format Python and SQL in place, and renew the generated stamps
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .
	@$(BIN)/sqlfluff fix --disable-progress-bar sql scripts/roles
	@$(BIN)/python scripts/migrate.py --write-stamps

check: lint test ## lint and test: what CI runs

docs: migrate ## Renew docs/sql-api.md, docs/http-api.md and the lineage picture from code
	@$(BIN)/python scripts/write_sql_api.py
	@$(BIN)/python scripts/write_http_api.py
	@$(BIN)/python scripts/draw_lineage.py

screenshots: setup ## Renew docs/screenshots/ from a demo of its own (ARGS=… for the script; needs chromium)
	@$(BIN)/python scripts/take_screenshots.py $(ARGS)

$(VENV)/.bench-installed: $(VENV)/.installed
	@echo "adding what the benchmarks need to $(VENV) …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[bench]'
	@touch $@

bench: $(VENV)/.bench-installed ## Measure everything, small (minutes)
	@status=0; run() { $(BIN)/python scripts/bench/"$$@" || status=1; }; \
	run rescore.py --students 2000 --events 1000 --definition-students 300; \
	run changed.py; \
	run growth.py --students 500 2000 --students-events 500 --events 200 2000 --events-students 500; \
	run serve.py; \
	run ingest.py; \
	run refresh.py --events 1000 2000 --students 5000 --sample 20 --rounds 2; \
	run click_to_list.py; \
	run desk.py --students 10000; \
	run train.py; \
	run readers.py; \
	run bloat.py; \
	exit $$status

bench-full: $(VENV)/.bench-installed ## Measure rescore, growth, training, readers, bloat at full size (an hour; LARGE=1: more)
	@mkdir -p .data/bench
	@status=0; run() { $(BIN)/python scripts/bench/"$$@" --json .data/bench/"$$1".json || status=1; }; \
	run rescore.py --students 20000 --events 2000 --rounds 5; \
	run changed.py --students 20000 --events 2000; \
	run growth.py --picture .data/bench/growth.svg; \
	if [ -n "$${DATASET_DIR:-}" ]; then \
	  $(BIN)/python scripts/bench/rescore.py --dataset "$$DATASET_DIR" --rounds 5 \
	    --json .data/bench/rescore_dataset.json || status=1; \
	fi; \
	run train.py --examples 1000000; \
	run readers.py --students 10000 --events 2000 --seconds 20; \
	run bloat.py --students 10000 --events 2000; \
	if [ -n "$${LARGE:-}" ]; then run large.py; fi; \
	echo "figures and the picture of growth are in .data/bench/"; \
	exit $$status

clean: ## Stop the embedded PostgreSQL and remove .venv/ and .data/
	@if [ -x $(BIN)/python ]; then $(BIN)/python scripts/db.py stop || true; fi
	@rm -rf $(VENV) .data
