# Every target sets up what it needs: a virtual environment in .venv, installed once and again when pyproject.toml changes.

SHELL := /bin/bash
VENV ?= .venv
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
	command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& { command -v $$p; break; }; done)
RUN := $(VENV)/bin/python
ARGS ?=

.PHONY: demo test lint conformance bench clean

demo: $(VENV)/.test  ## the whole tutorial, block by block, on real data
	$(RUN) -m compat_suite $(ARGS)

test: $(VENV)/.test  ## jtorch's own tests; no torch needed
	$(RUN) -m pytest tests --ignore=tests/conformance -n auto $(ARGS)

lint: $(VENV)/.test
	$(RUN) -m ruff format --check .
	$(RUN) -m ruff check .
	$(RUN) -m mypy

conformance: $(VENV)/.conformance  ## the same answers as real torch, asked live
	$(RUN) -m pytest tests/conformance -n auto $(ARGS)

bench: $(VENV)/.conformance  ## torch, hand-written JAX and jtorch side by side: operations, loading, training steps
	$(RUN) -m pip install --quiet --editable '.[bench]'
	$(RUN) benchmarks/record_op.py
	$(RUN) benchmarks/compiled_call.py
	$(RUN) benchmarks/data.py
	for model in mlp cnn lstm gpt; do $(RUN) benchmarks/train_step.py --model $$model --compare || exit 1; done

$(RUN):
	@test -n "$(PYTHON)" || { echo "make: no Python 3.11 or newer was found; name one with 'make PYTHON=...'" >&2; exit 1; }
	"$(PYTHON)" -m venv $(VENV) || { rm -rf $(VENV); echo "make: $(PYTHON) cannot make a virtual environment" >&2; exit 1; }

$(VENV)/.test: pyproject.toml | $(RUN)
	$(RUN) -m pip install --quiet --editable '.[test]'
	@touch $@

$(VENV)/.conformance: $(VENV)/.test
	$(RUN) -m pip install --quiet --editable '.[test,conformance]'
	@touch $@

clean:
	rm -rf $(VENV) build dist .pytest_cache .hypothesis .mypy_cache .ruff_cache
