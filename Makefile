# Needs Python 3.11 or newer and make; everything else goes into .venv.
#
#   make demo   lossdoctor on its bundled examples
#   make test   lint, types, import contracts, docs and the test suite, but for what is marked slow
#   make slow   what is marked slow: every case and every healthy loss, for before a release
#   make docs   the documentation as a site, in build/site

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: demo test slow lint docs clean

demo: $(VENV)/.installed-user
	$(BIN)/lossdoctor demo

test: lint
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow"

slow: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -n 2 --dist worksteal -m slow

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports --no-cache
	$(BIN)/python scripts/check_docs.py

docs: $(VENV)/.installed-docs
	$(BIN)/python scripts/make_docs.py build/docs
	$(BIN)/mkdocs build --strict --quiet

clean:
	rm -rf $(VENV) build dist

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "lossdoctor needs Python 3.11 or newer; say which with: make PYTHON=python3.12" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

# The package is installed editable, so that only a change of what it needs installs again.
$(VENV)/.installed-user: $(BIN)/python pyproject.toml constraints.txt
	$(INSTALL) -e '.[tensorflow]'
	@touch $@

$(VENV)/.installed-dev: $(BIN)/python pyproject.toml constraints.txt
	$(INSTALL) -e '.[tensorflow,dev]'
	@touch $@ $(VENV)/.installed-user

$(VENV)/.installed-docs: $(BIN)/python pyproject.toml constraints.txt
	$(INSTALL) -e '.[docs]'
	@touch $@
