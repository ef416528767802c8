# `make demo` and `make test` need nothing but Python (3.11 or newer) and make.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
PYTEST = $(BIN)/pytest -n auto --maxprocesses 4 --dist loadfile
READY = $(VENV)/.ready
READY_FOR_DOCS = $(VENV)/.ready-for-docs

.PHONY: demo test faults slow gpu lint docs bench speed clean

demo: $(READY)
	$(BIN)/labelaudit scan sample_data/train --test sample_data/test --known sample_data/truth.csv \
		--epochs 20 --augment shift --out demo-report --overwrite

test: $(READY)
	$(PYTEST) -m "not slow and not faults" --cov --cov-report=term:skip-covered

faults: $(READY)
	$(PYTEST) -m faults

slow: $(READY)
	$(BIN)/pytest -m slow

# Needs a CUDA GPU.
gpu: $(READY)
	$(BIN)/pytest -m gpu

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# The site, in site/; a warning or a broken link is an error.
docs: $(READY_FOR_DOCS)
	$(BIN)/python tools/commands_page.py > docs/commands.md
	$(BIN)/zensical build --strict --clean

bench: $(READY)
	$(BIN)/python -m benchmarks.sweep_cost

# About half an hour on two cores with nothing else to do; `pip install '.[compare]'` for the other tools in (c).
speed: $(READY)
	$(BIN)/python -m benchmarks.speed

$(READY): pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "labelaudit needs Python 3.11 or newer; name one with: make PYTHON=python3.12 …")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $(READY)

$(READY_FOR_DOCS): $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[docs]'
	touch $(READY_FOR_DOCS)

clean:
	rm -rf $(VENV) site docs/commands.md demo-report .pytest_cache .mypy_cache .ruff_cache .coverage
