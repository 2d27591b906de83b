# Every target makes its own virtual environment when there is none.
VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --constraint constraints.txt
# A data folder beside the checkout is used where there is one; see README, "Data".
export PANGLOT_DATA ?= $(wildcard ../shared/data)

# Two threads on a busy machine can be slower than one; set both to let numpy and torch use more.
export OPENBLAS_NUM_THREADS ?= 1
export OMP_NUM_THREADS ?= 1

.PHONY: demo test check bench board clean

demo: $(VENV)/.core
	$(BIN)/panglot run use-multilingual --tasks starter --matrix
	@echo
	@echo "That was a real encoder on a small set. Next:"
	@echo "  $(BIN)/panglot run use-multilingual --tasks xquad-r,mlqa-r   the full tasks, about two minutes"
	@echo "  $(BIN)/panglot models                                        what else can be scored"

test: $(VENV)/.dev
	$(BIN)/python -m pytest

check: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest
	$(BIN)/panglot verify submissions

bench: $(VENV)/.bench
	$(BIN)/python -m pytest benchmarks --benchmark-columns=median,rounds

board: $(VENV)/.board
	$(BIN)/panglot board

clean:
	rm -rf $(VENV)

$(VENV)/bin/python:
	@echo "Setting up $(VENV) (about half a minute) ..."
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.core: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) --editable .
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) --editable '.[dev]'
	@touch $@ $(VENV)/.core

$(VENV)/.bench: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) --editable '.[dev,mteb]'
	@touch $@ $(VENV)/.core $(VENV)/.dev

$(VENV)/.board: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) --editable '.[board]'
	@touch $@ $(VENV)/.core
