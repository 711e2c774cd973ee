# Two commands are enough: `make run` and `make test`. Both set up .venv by themselves; neither needs root.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help run test lint prove setup clean

# Properties of checkers against brute force or each other; the general search's are benchmarks/search_fuzz.py.
EXAMPLES ?= 100000
PROVED := $(addprefix tests/checkers/test_,zones.py register_columns.py streaming.py streaming_sets.py queue.py counter.py \
  bank.py fenced_mutex.py long_fork.py sessions.py unique_ids.py set_at_end.py linearizable.py counterexamples.py) \
  tests/checkers/transactions/test_soundness.py

help:
	@echo "make run    break a real five-node cluster for a minute and prove what happened (ARGS='--seed 7 --time 20s')"
	@echo "make test   run all the tests; what this machine cannot do is skipped with its reason"
	@echo "make prove  compare every checker with brute force on EXAMPLES=100000 small histories each (hours)"
	@echo "make lint   ruff, mypy --strict and the import contracts"
	@echo "make clean  end what a killed run left behind, and remove .venv"

run: $(VENV)/.installed-run
	@$(BIN)/antipaxos run $(ARGS)

test: $(VENV)/.installed-dev
	@$(BIN)/python -m pytest $(ARGS)

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

prove: $(VENV)/.installed-dev
	@printf '%s\n' $(PROVED) | ANTIPAXOS_EXAMPLES=$(EXAMPLES) xargs -P $$(nproc) -n 1 $(BIN)/python -m pytest -q -p no:cacheprovider
	PYTHONPATH=. $(BIN)/python benchmarks/search_fuzz.py

setup: $(VENV)/.installed-dev

clean:
	@test ! -x $(BIN)/antipaxos || $(BIN)/antipaxos clean
	rm -rf $(VENV)

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "antipaxos needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version). Try: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 2; }
	@$(PYTHON) -m venv $(VENV) || { \
	  echo "no virtual environment could be made; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 2; }

$(VENV)/.installed-run: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "installing antipaxos into $(VENV) (once)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[report,fuse,transactions]'
	@touch $@

$(VENV)/.installed-dev: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "installing antipaxos and its tests' tools into $(VENV) (once)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[report,fuse,transactions,dev]'
	@touch $@ $(VENV)/.installed-run
