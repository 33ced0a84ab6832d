PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Processes that share the tests; each computes with one thread.
JOBS ?= 2

export PIP_CONSTRAINT := $(CURDIR)/constraints/cpu.txt
export PIP_BUILD_CONSTRAINT := $(PIP_CONSTRAINT)
export PIP_DISABLE_PIP_VERSION_CHECK := 1

# Debian packages that the tests need; the ones already there cost nothing.
SYSTEM_PACKAGES := $(shell $(PYTHON) -c "import ensurepip" 2>/dev/null || echo python3-venv)

.DEFAULT_GOAL := help
.PHONY: help install system lint test test-all bench demo constraints clean

help: ## Show this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(firstword $(MAKEFILE_LIST)) | expand -t 14

install: $(STAMP) ## Make .venv with the package (editable) and the development tools

system:
	@tools/install_system_packages.sh $(SYSTEM_PACKAGES)

$(STAMP): pyproject.toml constraints/cpu.txt | system
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11))" \
		|| { echo "Python 3.11 or newer is needed: make PYTHON=python3.12" >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable ".[napari]" --group dev
	@touch $@

lint: $(STAMP) ## Check style, types and the order of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: lint ## Everything but the long tests
	$(BIN)/python -m pytest -n $(JOBS) -m "not slow"

test-all: $(STAMP) ## The long tests
	$(BIN)/python -m pytest -n $(JOBS) -m slow

bench: $(STAMP) ## Run the benchmarks
	$(BIN)/python -m benchmarks

demo: $(STAMP) ## Train, predict and score on bundled images; the results go to demo/
	$(BIN)/segtrain demo --output demo --overwrite

constraints: $(STAMP) ## Choose new versions for constraints/cpu.txt
	env -u PIP_CONSTRAINT -u PIP_BUILD_CONSTRAINT $(BIN)/python tools/make_constraints.py

clean: ## Remove what the other targets made
	rm -rf $(VENV) .tox .mypy_cache .pytest_cache .ruff_cache .hypothesis \
		.import_linter_cache build dist demo
