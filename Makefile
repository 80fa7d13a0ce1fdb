# Everything sets itself up in .venv; only lead12 train keeps filtered records elsewhere, in
# $XDG_CACHE_HOME/lead12 (~/.cache/lead12), which may be deleted at any time.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.lead12-runtime
DEV    := $(VENV)/.lead12-dev
TRAIN  := $(VENV)/.lead12-train
PIP    := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: setup run test test-boot test-boot-smoke hil check dev train-setup pi-setup lock bench clean

setup: $(STAMP)  ## the monitor and its runtime, in .venv

run: setup  ## the monitor, on a simulated front end, with the embedded network
	$(BIN)/lead12 run

test: dev  ## the whole test suite
	$(BIN)/python -m pytest

test-boot: dev  ## the installed appliance under a real systemd, killed and starved (root; minutes)
	$(BIN)/python -m tests.appliance

test-boot-smoke: dev  ## the same, shorter; says why and goes on where no container can be booted
	$(BIN)/python -m tests.appliance --smoke

hil: dev  ## every scenario of tests/hil in virtual time, and that each requirement is shown
	$(BIN)/lead12 hil check
	$(BIN)/lead12 hil run tests/hil --jobs 2 --junit out/hil.xml --html out/hil.html

check: dev  ## lint, format, types, import order
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

dev: $(DEV)

train-setup: $(TRAIN)  ## what lead12 train and lead12 quantize need besides

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit("Lead12 needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Try: make PYTHON=python3.11 ...") if sys.version_info < (3, 11) else 0'
	@$(PYTHON) -m venv $(VENV) || { echo "cannot make a virtual environment; on Debian: apt-get install python3-venv"; exit 1; }

$(STAMP): pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "setting up .venv (once)"
	@$(PIP) install --constraint constraints.txt --editable .
	@touch $@

$(DEV): pyproject.toml constraints.txt $(STAMP)
	@echo "adding the development tools (once)"
	@$(PIP) install --constraint constraints.txt --editable '.[dev,tools]'
	@touch $@

$(TRAIN): pyproject.toml constraints.txt $(STAMP)
	@$(PIP) install --constraint constraints.txt --editable '.[train]'
	@touch $@

pi-setup: setup  ## the hardware libraries of a Raspberry Pi (spidev, libgpiod, GPIO for panels)
	$(PIP) install --constraint constraints.txt --editable '.[pi]'

lock: dev  ## resolve the pins anew, for every supported Python
	$(PIP) install uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --all-extras --no-header \
		--no-annotate --constraint constraints.in --output-file constraints.txt pyproject.toml

bench: dev  ## every figure of docs/performance.md
	$(BIN)/lead12 bench all --update-docs

clean:
	rm -rf $(VENV) build dist out
