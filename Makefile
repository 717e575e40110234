# `make demo` and `make test` are all a new machine needs; both set up what they use. Needs Python 3.11+, git and make.
PYTHON ?= python3
UV ?= uv
VENV := .venv
BIN := $(VENV)/bin

.PHONY: help setup demo test check format bench lock clean

help:
	@echo "make demo    run a real audit end to end on this machine"
	@echo "make test    run the tests"
	@echo "make check   format, lint, strict types, import contract"
	@echo "make format  rewrite the code in the house format"
	@echo "make bench   run the benchmarks that need no outside data"
	@echo "make lock    write the hashed requirements anew (needs uv)"

$(VENV)/.installed: requirements-dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("infra-audit needs Python 3.11 or newer, and $(PYTHON) is " + sys.version.split()[0] + ". Set PYTHON=/path/to/python3.11") if sys.version_info < (3, 11) else 0'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m compileall -q $(VENV)/lib || true
	@touch $@

setup: $(VENV)/.installed

demo: setup
	@$(BIN)/infra-audit demo

test: setup
	$(BIN)/python -m pytest -n auto

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports --no-cache

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# Drain3, the peer in grouping, is installed beside the rest and not into it.
bench: setup
	$(BIN)/python -m benchmarks.audit
	$(BIN)/python -m benchmarks.evidence
	$(BIN)/python -m benchmarks.grouping --peer $(VENV)/drain3 --lines 100000
	$(BIN)/python -m benchmarks.ledger
	$(BIN)/python -m benchmarks.intake --seconds 1

# No index line and no download address may enter the files.
lock:
	$(UV) pip compile --universal --python-version 3.11 --generate-hashes --no-strip-extras --no-emit-index-url --no-annotate --no-header --quiet pyproject.toml -o requirements.txt
	$(UV) pip compile --universal --python-version 3.11 --generate-hashes --no-strip-extras --no-emit-index-url --no-annotate --no-header --quiet --constraint requirements.txt --group dev pyproject.toml -o requirements-dev.txt

clean:
	rm -rf $(VENV) .pytest_cache .ruff_cache .hypothesis
