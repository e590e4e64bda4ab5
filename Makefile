# `make` prints this help. Every target makes the virtual environment it needs; a second run finds it ready.

# The oldest supported Python first: what works there works with the newer ones.
PYTHON ?= $(shell for python in python3.11 python3.12 python3.13 python3.14 python3 python; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)
VENV ?= .venv
RUN := $(VENV)/bin/python -m
PIP := $(RUN) pip --disable-pip-version-check install --quiet
CODE := coordinator tests $(wildcard plugins examples)
PLUGINS := $(wildcard plugins/*/pyproject.toml)
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# Environment. The stamps say what is installed; a changed pyproject.toml renews them.

$(VENV)/.pip:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed; none was found on PATH." >&2; exit 1; }
	@echo "· making $(VENV) with $(PYTHON)"
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) --upgrade 'pip>=25.1'   # the first that knows dependency groups
	@touch $@

$(VENV)/.demo: $(VENV)/.pip pyproject.toml $(PLUGINS)
	@echo "· installing the library, its plugins, and what the demo and the gateway need"
	@$(PIP) --editable '.[demo,gateway]' $(PLUGINS:%/pyproject.toml=--editable ./%)
	@touch $@

$(VENV)/.dev: $(VENV)/.pip pyproject.toml $(PLUGINS)
	@echo "· installing the library and the tools for its development"
	@$(PIP) --editable '.[demo,gateway,uvloop]' $(PLUGINS:%/pyproject.toml=--editable ./%) --group dev
	@touch $@ $(VENV)/.demo

##@ Use

.PHONY: demo
demo: $(VENV)/.demo  ## see the problem and the answer, on a real session file (under a minute)
	@$(RUN) coordinator demo

.PHONY: gateway
gateway: $(VENV)/.demo  ## start the example gateway, with a stand-in for the model; ARGUMENTS=--help
	@PYTHONPATH=examples $(RUN) gateway $(ARGUMENTS)

##@ Develop

world: $(VENV)/.dev  ## a follower of 50,000 records, 5,000 sessions, a file of 1 GB (SCALE=1)
	@SCALE=$(or $(SCALE),1) $(RUN) pytest tests/world --quiet --timeout=900 --junit-xml=build/world.xml

.PHONY: world setup test check lint types layers format bench bench-quick growth soak mutants race kills sweep build clean help
setup: $(VENV)/.dev  ## make the virtual environment with all tools
	@echo "· $(VENV) is ready"

test: lint types layers  ## everything that CI checks: lint, format, types, layers, all tests
	@echo "· all tests"
	@$(RUN) pytest

check: lint types layers  ## the fast part of `make test`: without the slow tests
	@echo "· fast tests"
	@$(RUN) pytest -m "not slow"

lint: $(VENV)/.dev
	@echo "· lint, complexity, format"
	@$(RUN) ruff check --quiet $(CODE)
	@$(RUN) ruff format --check --quiet $(CODE)

types: $(VENV)/.dev
	@echo "· types"
	@$(RUN) mypy
	@$(RUN) basedpyright --pythonpath $(VENV)/bin/python

layers: $(VENV)/.dev
	@echo "· layers"
	@$(RUN) pytest --quiet tests/test_layers.py

format: $(VENV)/.dev  ## put the code into its standard form
	@$(RUN) ruff check --fix --quiet $(CODE) || true
	@$(RUN) ruff format $(CODE)

bench: $(VENV)/.dev  ## measure, beside plain writes and aiofiles in the same run
	@$(RUN) tests.benchmarks

growth: $(VENV)/.dev  ## what appends, turns and idle sessions cost as files, writers and sessions become many
	@$(RUN) tests.benchmarks.growth

soak: $(VENV)/.dev  ## ten minutes of every load on the same sessions: does the process grow? (MINUTES=10)
	@$(RUN) tests.benchmarks.soak --minutes $(or $(MINUTES),10)

bench-quick: $(VENV)/.dev  ## the same in about two minutes, less exactly
	@$(RUN) tests.benchmarks --quick

mutants: $(VENV)/.dev  ## break the code on purpose, once per scenario: its test must notice
	@$(RUN) tests.mutants

race: $(VENV)/.dev  ## the long race against a second process
	@$(RUN) tests.races

kills: $(VENV)/.dev  ## kill a writing process at random moments, again and again
	@$(RUN) tests.kills

sweep: $(VENV)/.dev  ## break every system call, kill at every byte; COUNT, STORY, KIND, CASE choose
	@$(RUN) tests.faults

.PHONY: proof proof-long
proof: $(VENV)/.dev  ## look for violations in every way there is, in three minutes; the page is build/proof.html
	@$(RUN) tests.proof $(ARGUMENTS)

proof-long: $(VENV)/.dev  ## the same for hours; stopped, it goes on where it was (ARGUMENTS=--fresh: from the beginning)
	@$(RUN) tests.proof --long $(ARGUMENTS)

build: $(VENV)/.dev  ## make the wheel and the source archive in dist/
	@$(PIP) build
	@for package in . $(PLUGINS:%/pyproject.toml=%); do $(RUN) build --outdir dist $$package || exit 1; done

clean:  ## remove everything that was made, the virtual environment too
	rm -rf $(VENV) build dist demo-output benchmark-output .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find coordinator tests $(wildcard plugins examples) -name __pycache__ -type d -prune -exec rm -rf {} +

help:
	@awk 'BEGIN { FS = ":.*  ## " } /^##@/ { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z-]+:.*  ## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
