# Every target makes its own virtual environment when there is none.
VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --constraint constraints.txt
# One process more than there are cores, since tests wait for browsers, servers and children a quarter of their time; a file
# in one of them: what a file makes once, it shares. The slowest files begin first (tests/conftest.py), not those with the
# most tests. A process that hangs ends (pyproject.toml), and the run with it: another would run the same file again, and
# hang.
WORKERS ?= $(shell $(PYTHON) -c 'import os; print((os.cpu_count() or 1) + 1)')
PYTEST := $(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder --max-worker-restart 0
# A data folder beside the checkout is used where there is one; see README, "Data".
export PANGLOT_DATA ?= $(wildcard ../shared/data)

# Two threads on a busy machine can be slower than one; set both to let numpy and torch use more.
export OPENBLAS_NUM_THREADS ?= 1
export OMP_NUM_THREADS ?= 1

# Modules are compiled when they are first imported: tests import few of the 26,000 that they install. The variable is
# emptied, since compiled modules are kept only where it is not set.
DEV_PIP := $(PIP) --no-compile
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help demo test check lint verify coverage mutation bench board docs readme dist package clean

help:  ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-10s%s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/.core  ## score the built-in model on a small set, and name the next steps
	@$(BIN)/panglot demo

test: $(VENV)/.dev  ## all tests
	$(PYTEST)

# Each of the first two takes one core.
check: $(VENV)/.dev  ## lint, verify and all tests: what CI runs
	@$(MAKE) --no-print-directory --jobs 2 --output-sync lint verify
	$(PYTEST)

lint: $(VENV)/.dev  ## style, spelling, types, and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/typos
	$(BIN)/mypy
	$(BIN)/lint-imports

verify: $(VENV)/.dev  ## the committed results against the record of their verification
	$(BIN)/panglot verify submissions --check-record

coverage: $(VENV)/.dev  ## all tests, and which lines they reach
	$(PYTEST) --cov

mutation: $(VENV)/.dev  ## how many small mistakes in the core the tests notice; over an hour
	$(BIN)/python -m benchmarks.mutation

bench: $(VENV)/.bench  ## measured speed and memory, against peers
	$(BIN)/python -m pytest benchmarks --override-ini faulthandler_timeout=0 --benchmark-columns=median,rounds

board: $(VENV)/.board  ## open the leaderboard on submissions/
	$(BIN)/panglot board

docs: $(VENV)/.docs  ## the pages of the documentation
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build

# What the README shows of the code: its tables, and the picture of the terminal.
readme: $(VENV)/.core  ## generated tables, pictures and notebooks
	$(BIN)/python docs/tables.py
	$(BIN)/python docs/terminal.py
	$(BIN)/python docs/notebook.py

# The wheel and the source distribution, as they would be published.
dist: $(VENV)/.release  ## the wheel and the source distribution
	rm -rf dist
	$(BIN)/python -m build
	$(BIN)/python -m twine check --strict dist/*

package: dist  ## try the wheel alone in an empty environment
	.ci/try dist/*.whl

clean:  ## delete the virtual environment
	rm -rf $(VENV)

$(VENV)/bin/python:
	@echo "Setting up $(VENV) (about half a minute) ..."
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.core: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) --editable .
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(DEV_PIP) --editable '.[dev]'
	@touch $@ $(VENV)/.core

$(VENV)/.bench: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) --editable '.[dev,mteb]'
	@touch $@ $(VENV)/.core $(VENV)/.dev

$(VENV)/.board: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) --editable '.[board]'
	@touch $@ $(VENV)/.core

$(VENV)/.docs: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) --editable '.[docs]'
	@touch $@ $(VENV)/.core

$(VENV)/.release: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) 'build>=1.2' 'twine>=6.1'
	@touch $@
