PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

ARM ?= $(VENV)/arm
# Four on two cores, as many tests wait: for a pause, a disk, a signal.
SIDE_BY_SIDE := -n 4 --dist worksteal

.PHONY: demo test check check-arm check-clusters generated bench install
install: $(VENV)/installed

# Install again if pyproject.toml is newer than the last installation: dependencies may have changed.
$(VENV)/installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --editable ".[dev]"
	touch $@

demo: install  ## Continue a prompt with the built-in demo model
	$(BIN)/pythia generate "It is a truth universally acknowledged, that" --echo -n 60 --seed 7 < /dev/null

test: install  ## All tests, offline
	$(BIN)/pytest $(SIDE_BY_SIDE)

check: install  ## Lint, format, types, generated files, tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python tools/make_completions.py --check
	$(BIN)/python tools/make_cli_reference.py --check
	$(BIN)/python tools/make_api_reference.py --check
	$(BIN)/pytest $(SIDE_BY_SIDE)

check-arm: install  ## The results of emulated ARM; needs qemu-user-static and mmdebstrap. Keeps 390 MB in ARM
	PYTHIA_TEST_ARM=$(ARM) $(BIN)/pytest -rs tests/arm

check-clusters: install  ## Sweeps on a real Slurm and Dask; Slurm needs root, slurm-wlm and munge. Some minutes
	PYTHIA_TEST_CLUSTERS=1 $(BIN)/pytest -rs tests/sweeps/test_slurm.py tests/sweeps/test_dask_cluster.py

generated: install  ## Write completions/, docs/cli.md and docs/api.md
	$(BIN)/python tools/make_completions.py
	$(BIN)/python tools/make_cli_reference.py
	$(BIN)/python tools/make_api_reference.py

bench: install  ## Decode, prefill and scoring on a full-size random pythia-410m
	$(BIN)/python bench/engine.py
