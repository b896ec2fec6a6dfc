# Every command there is: `make` lists them.
PYTHON ?= python3
# each worker has servers of its own, and takes whole files, so that what a file shares is made once
WORKERS ?= --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
NODE_STAMP := tests/tools/node_modules/.installed

.DEFAULT_GOAL := help
.PHONY: help run test setup lock lint types docs schemas bench test-fuzz test-faults test-all format check-docs

help:  ## list the commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

run: $(STAMP)  ## install, then start everything with the sample region; Ctrl-C stops it
	@$(BIN)/massakoppi up

test: setup lint types check-docs  ## lint, types, import rules, generated files and all tests
	$(BIN)/python -m pytest $(WORKERS)

setup: $(STAMP) $(NODE_STAMP) browser  ## install all that development needs

$(STAMP): requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

$(NODE_STAMP): tests/tools/package-lock.json
	npm ci --prefix tests/tools --silent --no-audit --no-fund
	touch $@

.PHONY: browser
browser:  ## Chromium for the browser tests: tested for first, installed from Debian where it is missing
	@command -v chromium >/dev/null || command -v google-chrome >/dev/null || sh tests/tools/install-browser.sh

lock: $(STAMP)  ## write requirements.lock anew from pyproject.toml
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate --quiet -o requirements.lock

lint: $(STAMP)  ## style, spelling and import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell
	$(BIN)/lint-imports

format: $(STAMP)  ## bring the code into its form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: $(STAMP)  ## check the types
	$(BIN)/mypy

docs schemas: $(STAMP)  ## write what is generated: JSON Schemas, docs/events.md, docs/asyncapi.json
	$(BIN)/python -m deploy.generated

check-docs: $(STAMP)
	$(BIN)/python -m deploy.generated --check

bench: $(STAMP)  ## measure latency, intake and settling against a floor and peers, in one run
	$(BIN)/massakoppi bench latency && $(BIN)/massakoppi bench intake && $(BIN)/massakoppi bench settle

test-fuzz: $(STAMP)  ## the long suite of whatever may come; FUZZ_EXAMPLES=N tries of each part
	FUZZ_EXAMPLES=$${FUZZ_EXAMPLES:-300} $(BIN)/python -m pytest tests/fuzz -m fuzz

test-faults: $(STAMP)  ## the long suite: kills at random and at named points, servers away
	$(BIN)/python -m pytest tests/faults
