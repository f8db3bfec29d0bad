# make demo    real work in every mode, beside a plain loop; needs only Python 3.11 or newer with pip
# make test    the whole test suite          (make test ARGS="-k law_6 -x" hands words to pytest)
# make lint    ruff                          make format      lets ruff rewrite what it can
# make types   mypy and pyright              make docs-check  runs the examples of README.md and docs/
# make bench   all benchmarks, about an hour: figures, a page and pictures in build/
#              (make bench ARGS="threads --quick" for one, to see that it works)
# make conformance   which executor keeps which laws: the tables of docs/conformance.md, made anew
# make clean   removes all that these made
#
# PYTHON=/path/to/python picks another interpreter; then `make clean` first.

ifndef PYTHON
PYTHON := $(shell \
  for p in python3.11 python3.12 python3.13 python3.14 python3.15 python3; do \
    if "$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then echo "$$p"; break; fi; \
  done)
endif

BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help demo test lint format types docs-check bench conformance clean

help:
	@sed -n '/^#/!q; s/^# \{0,1\}//p' Makefile

demo: .venv/package
	$(BIN)/python examples/quickstart.py

test: .venv/test
	$(BIN)/python -m pytest $(ARGS)

lint: .venv/lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: .venv/lint
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

types: .venv/test .venv/lint
	$(BIN)/mypy
	$(BIN)/pyright --pythonpath $(BIN)/python
	PYTHONPATH=src $(BIN)/pyright --pythonpath $(BIN)/python --verifytypes concurkit --ignoreexternal

docs-check: .venv/test
	$(BIN)/python -m pytest tests/test_docs.py -m "not slow" $(ARGS)

bench: .venv/made
	$(BIN)/python benchmarks/run.py $(or $(ARGS),--json build/benchmarks.json --page build/benchmarks.md)

conformance: .venv/made
	$(BIN)/python conformance/matrix.py $(ARGS)

clean:
	rm -rf .venv .ci/venvs benchmarks/.venv conformance/.venv build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The files below are empty: each says that something is installed, and when, so that it is not done twice.
# The package is installed in place: a change in src/ needs no new install.

.venv/made:
	@if [ -z "$(PYTHON)" ]; then \
	  echo "No Python 3.11 or newer found on PATH. Name one: make PYTHON=/path/to/python3.11 ..." >&2; exit 1; fi
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "concurkit needs Python 3.11 or newer, and $(PYTHON) is not: $$("$(PYTHON)" --version 2>&1)" >&2; exit 1; }
	.ci/make-venv .venv "$(PYTHON)"
	@touch $@

.venv/package: .venv/made pyproject.toml src/concurkit/_version.py
	$(PIP) --editable .
	@touch $@

.venv/test: .venv/package
	$(PIP) --group test --group clients --group engines --group shows
	@touch $@

.venv/lint: .venv/package
	$(PIP) --group lint
	@touch $@
