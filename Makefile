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
ifeq ($(shell uname),Linux)
SYSTEM_PACKAGES += xvfb xauth libegl1 libgl1 libopengl0 libgl1-mesa-dri libxkbcommon-x11-0 \
	libxcb-cursor0 libxcb-icccm4 libxcb-image0 libxcb-keysyms1 libxcb-randr0 \
	libxcb-render-util0 libxcb-shape0 libxcb-xinerama0 libdbus-1-3
endif

# A virtual display with software OpenGL, where there is Xvfb.
DISPLAYED = $(if $(shell command -v xvfb-run),env LIBGL_ALWAYS_SOFTWARE=1 xvfb-run \
	--auto-servernum --server-args "-screen 0 1600x1000x24")

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
	$(BIN)/npe2 validate --no-imports src/napari_segtrain/napari.yaml

test: lint ## Everything but the long tests
	$(DISPLAYED) $(BIN)/python -m pytest -n $(JOBS) -m "not slow"

test-all: $(STAMP) ## The long tests
	$(DISPLAYED) $(BIN)/python -m pytest -n $(JOBS) -m "slow and not alone"
	$(DISPLAYED) $(BIN)/python -m pytest -m alone tests/viewer/test_heartbeat.py
	$(DISPLAYED) $(BIN)/python -m pytest -m alone tests/viewer/test_many_runs.py

bench: $(STAMP) ## Run the benchmarks
	$(BIN)/python -m benchmarks

demo: $(STAMP) ## Train, predict and compare in napari, on bundled images; see the folder demo
	$(BIN)/python -m napari_segtrain.ui.demo --output demo --time-budget 75

constraints: $(STAMP) ## Choose new versions for constraints/cpu.txt
	env -u PIP_CONSTRAINT -u PIP_BUILD_CONSTRAINT $(BIN)/python tools/make_constraints.py

clean: ## Remove what the other targets made
	rm -rf $(VENV) .tox .mypy_cache .pytest_cache .ruff_cache .hypothesis \
		.import_linter_cache build dist demo
