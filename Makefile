# Everything sets itself up in .venv; only lead12 train keeps filtered records elsewhere, in
# $XDG_CACHE_HOME/lead12 (~/.cache/lead12), which may be deleted at any time.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.lead12-runtime
DEV    := $(VENV)/.lead12-dev
TRAIN  := $(VENV)/.lead12-train
PIP    := $(BIN)/python -m pip --disable-pip-version-check --quiet
# Nothing is fetched that a lock does not name with its hash, nor what it is built with.
LOCKED := $(PIP) install --require-hashes --no-build-isolation
RELEASE := build/release
UV     := $(RELEASE)/bin/uv pip compile --no-config --quiet --universal --python-version 3.11 \
	--no-header --no-annotate

.PHONY: fuzz setup run test test-arm64 test-arm64-smoke test-boot test-boot-smoke hil check dev train-setup pi-setup lock bench clean wheel deb sbom

setup: $(STAMP)  ## the monitor and its runtime, in .venv

run: setup  ## the monitor, on a simulated front end, with the embedded network
	$(BIN)/lead12 run

test: dev  ## the whole test suite
	$(BIN)/python -m pytest -n logical --maxprocesses 4 --dist loadfile

test-boot: dev  ## the installed appliance under a real systemd, killed and starved (root; minutes)
	$(BIN)/python -m tests.appliance

test-boot-smoke: dev  ## the same, shorter; says why and goes on where no container can be booted
	$(BIN)/python -m tests.appliance --smoke

test-arm64: dev  ## all of it on emulated aarch64, and compared with this machine: hours, as root
	$(BIN)/python -m tests.arm64 --update-docs

test-arm64-smoke: dev  ## a few of these tests and comparisons: two minutes; says why where it cannot
	$(BIN)/python -m tests.arm64 --smoke

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
	@$(PYTHON) -c 'import sys; sys.exit("no locks for a 32-bit Python; docs/install.md says what to do") if sys.maxsize < 2**32 else 0'
	@$(PYTHON) -m venv $(VENV) || { echo "cannot make a virtual environment; on Debian: apt-get install python3-venv"; exit 1; }

$(STAMP): pyproject.toml locks/build.txt locks/runtime.txt | $(VENV)/bin/python
	@echo "setting up .venv (once)"
	@$(LOCKED) --only-binary :all: --requirement locks/build.txt
	@$(LOCKED) --requirement locks/runtime.txt
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(DEV): locks/dev.txt $(STAMP)
	@echo "adding the development tools (once)"
	@$(LOCKED) --requirement locks/dev.txt
	@touch $@

$(TRAIN): locks/train.txt $(STAMP)
	@$(LOCKED) --requirement locks/train.txt
	@touch $@

pi-setup: setup  ## the hardware libraries of a Raspberry Pi (spidev, libgpiod, GPIO for panels)
	$(LOCKED) --requirement locks/pi.txt

$(RELEASE)/.done: locks/release.txt | $(VENV)/bin/python
	@$(PYTHON) -m venv $(RELEASE)
	@$(RELEASE)/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes \
		--only-binary :all: --requirement locks/release.txt
	@touch $@

# One version of everything in constraints.txt, then the hashes of each set's files for all platforms.
lock: $(RELEASE)/.done  ## resolve anew what pyproject.toml changed; UPGRADE=--upgrade: everything
	$(UV) $(UPGRADE) --all-extras --group build --constraint constraints.in \
		--output-file constraints.txt pyproject.toml
	$(UV) --generate-hashes --constraint constraints.txt --output-file locks/runtime.txt pyproject.toml
	$(UV) --generate-hashes --constraint constraints.txt --extra dev --extra tools \
		--output-file locks/dev.txt pyproject.toml
	for set in train pi; do $(UV) --generate-hashes --constraint constraints.txt --extra $$set \
		--output-file locks/$$set.txt pyproject.toml || exit 1; done
	$(UV) --generate-hashes --constraint constraints.txt --group build --output-file locks/build.txt
	$(UV) --generate-hashes --group fuzz --output-file locks/fuzz.txt
	$(UV) $(UPGRADE) --generate-hashes --group release --output-file locks/release.txt
	$(UV) --generate-hashes --no-deps --output-file locks/hardware.txt systemd/hardware.txt

wheel: setup  ## dist/*.whl, built in two places: the same bytes
	$(BIN)/python -m tools.wheel

deb: wheel  ## dist/*.deb for this machine, or for ARCH=arm64: docs/install.md
	PYTHON=$(PYTHON) sh systemd/deb.sh $$(ls -t dist/lead12-*.whl | head -1) $(ARCH)

sbom: setup $(RELEASE)/.done  ## dist/*.cdx.json, docs/licences.md, dist/pip-audit.json
	$(BIN)/python -m tools.sbom

bench: dev  ## every figure of docs/performance.md
	$(BIN)/lead12 bench all --update-docs

SECONDS ?= 600
fuzz: dev  ## every target of tests/fuzz for so many SECONDS, and its part of docs/reliability.md
	$(LOCKED) --only-binary :all: --requirement locks/fuzz.txt
	$(BIN)/python -m tests.fuzz all --seconds $(SECONDS) --update-docs

clean:
	rm -rf $(VENV) build dist out
