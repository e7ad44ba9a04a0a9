# The two commands of the README are `make demo` and `make test`.  Each makes the .venv it needs
# on a machine that has Python 3.11+, make and a package index.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
ROOMS  := core table rfc822 maildir auth filter smtp queue fax mta
EDITABLE := $(foreach room,$(ROOMS),-e packages/$(room)) -e cli -e '.[dev]'

.PHONY: demo test test-all check check-style format bench kill-test fuzz clean help

help: ## show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 14

$(VENV)/.ready: pyproject.toml constraints.txt cli/pyproject.toml $(wildcard packages/*/pyproject.toml)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt pip hatchling editables
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation -c constraints.txt $(EDITABLE) 'uvloop>=0.19'
	@touch $@

demo: $(VENV)/.ready ## start the system, send every sample message through it, show what arrived
	$(BIN)/python -m examples.demo

test: $(VENV)/.ready ## every test of the default run (under 10 minutes on two cores)
	$(BIN)/python -m pytest -m 'not slow'

test-all: $(VENV)/.ready ## the default run and the long soaks
	$(BIN)/python -m pytest

check-style: $(VENV)/.ready ## format, lint and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

check: check-style ## format, lint, types, unit, property and architecture tests
	$(BIN)/python -m pytest -m 'not slow' tests/unit tests/property tests/architecture

format: $(VENV)/.ready ## put the code into the house format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/.ready ## ours beside every installed peer, as ratios
	$(BIN)/python -m tests.bench

kill-test: $(VENV)/.ready ## kill -9 at every fault point of a 1,000-message run, with a summary line
	$(BIN)/python -m pytest -s tests/e2e/test_kill.py -m 'slow or not slow'

clean: ## remove what the targets above made
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
