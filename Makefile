# One verb per job. Each sets up what it needs in .venv first (scripts/environments.py), so all of them work on a
# machine that has nothing but python3 with venv, and make.
# make test ARGS="-k topic" hands arguments to pytest, in .venv only; serve, bench, fuzz, simulate and suites take ARGS too.

SHELL = /bin/bash
PYTHON ?= python3
BIN = .venv/bin
SET_UP = $(PYTHON) scripts/environments.py
ARGS ?=

.DEFAULT_GOAL = help
.PHONY: serve test bench fuzz simulate suites check clean help

serve:  ## start a broker on the standard ports
	@$(SET_UP)
	@exec $(BIN)/menura serve $(ARGS)

test:  ## run the tests on every CPython from 3.11 on that this machine has
	@$(PYTHON) scripts/test.py $(ARGS)

bench:  ## measure Menura, and RabbitMQ and mosquitto where they are installed, into benchmarks/results
	@$(SET_UP) test
	@exec $(BIN)/python -m benchmarks $(ARGS)

fuzz:  ## random and mutated traffic against the broker, for minutes
	@$(SET_UP) test
	@exec $(BIN)/python -m pytest --timeout=0 -o faulthandler_timeout=0 tests/fuzz $(ARGS)

simulate:  ## cut the power under the journal, 10,000 times and more
	@$(SET_UP) test
	@exec $(BIN)/python -m tests.simulation $(ARGS)

suites:  ## other projects' test suites, against Menura and RabbitMQ
	@$(SET_UP) test
	@exec $(BIN)/python -m tests.suites $(ARGS)

check:  ## ruff, strict types, import rules
	@$(SET_UP) dev
	@$(BIN)/ruff check
	@$(BIN)/mypy
	@$(BIN)/python -m pytest --quiet --no-header tests/test_imports.py

clean:  ## remove environments, caches and built files; keeps data directories
	@rm -rf .venv .venv-* .cache build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
	@find src tests scripts benchmarks -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true

help:  ## this list
	@sed -n 's/^\([a-z]*\):  ## \(.*\)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 15
