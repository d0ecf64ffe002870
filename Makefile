# Set-up, start and checks. `make` alone lists the targets.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help install run test check crash clean lock

VENV := .venv
BIN := $(VENV)/bin
# Named after the folder: scripts in a virtual environment hold its path, so a moved checkout is installed anew.
STAMP := $(VENV)/.installed-$(shell pwd | cksum | cut -d ' ' -f 1)
PIP := $(BIN)/python -m pip --quiet --quiet --disable-pip-version-check --no-input
UV_COMPILE := pip compile --quiet --no-config --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header

# Settings of a user's shell that would send packages elsewhere or bring foreign modules in.
unexport PIP_TARGET PIP_PREFIX PIP_ROOT PIP_REQUIRE_VIRTUALENV PIP_REQUIRE_HASHES PIP_NO_DEPS PYTHONHOME PYTHONPATH
export PIP_USER := 0

# A shell loop that leaves the newest usable interpreter in $python, or says what is missing.
define FIND_PYTHON
python=; bare=; \
for each in python3.14 python3.13 python3.12 python3.11 python3; do \
    if ! "$$each" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then continue; fi; \
    if "$$each" -c 'import ensurepip, venv' >/dev/null 2>&1; then python=$$each; break; fi; \
    bare=$$each; \
done; \
if [ -z "$$python" ] && [ -n "$$bare" ]; then \
    echo "$$bare has no venv module with pip. On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; \
elif [ -z "$$python" ]; then \
    echo "Python 3.11 or newer is needed, and none was found as python3.14 ... python3.11 or python3." >&2; exit 1; \
fi
endef

help:  ## List the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 18

install: $(STAMP)  ## Make .venv and install the locked packages and the project

run: $(STAMP)  ## Start the service (ARGS="..." are handed to `firstlight serve`)
	@exec $(BIN)/firstlight serve $(ARGS)

test: $(STAMP)  ## Run the tests (ARGS="..." are handed to pytest)
	@$(BIN)/python -m pytest -q -n 2 --dist loadgroup $(ARGS)

check: $(STAMP)  ## Run everything that a change must pass: lint, format, types, import rules, tests
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m pytest -q -n 2 --dist loadgroup

crash: $(STAMP)  ## Kill, freeze and cut off processes, then compare ledger and tables (ARGS="--kills 200 ..." plays more)
	@$(BIN)/python -m pytest -q -m crash tests/crash tests/faults $(ARGS)

clean:  ## Remove what can be made again; data in DATA_DIR stays
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

lock:  ## Write requirements.txt and requirements-dev.txt anew (ARGS=--upgrade moves to the newest releases)
	@$(FIND_PYTHON); set -e; folder=$$(mktemp -d); trap 'rm -rf "$$folder"' EXIT; \
	"$$python" -m venv "$$folder"; \
	"$$folder/bin/python" -m pip --quiet --quiet --disable-pip-version-check --no-input install uv; \
	"$$folder/bin/uv" $(UV_COMPILE) $(ARGS) pyproject.toml --output-file requirements.txt; \
	"$$folder/bin/uv" $(UV_COMPILE) $(ARGS) pyproject.toml --group dev --output-file requirements-dev.txt; \
	if grep -n '://' requirements.txt requirements-dev.txt; then echo "An address stands in the lock." >&2; exit 1; fi

$(STAMP): requirements-dev.txt pyproject.toml
	@$(FIND_PYTHON); set -e; \
	moved=; for each in $(VENV)/.installed-*; do if [ -e "$$each" ] && [ "$$each" != "$@" ]; then moved=yes; fi; done; \
	if [ -n "$$moved" ] || ! $(BIN)/python -c 'import pip, sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then \
	    echo "Making $(VENV) with $$($$python --version)"; \
	    "$$python" -m venv --clear $(VENV); \
	fi
	@echo "Installing the locked packages (a minute or so at the first time)"
	@$(PIP) install --require-hashes --requirement requirements-dev.txt
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@
