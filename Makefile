# The front door. `make up` runs Posta on this machine, `make test` tests it, `make check` is what CI runs.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
export VENV := .venv
# Compiled files make every start and every test run after the first faster.
unexport PYTHONDONTWRITEBYTECODE
BIN := $(VENV)/bin
UV := .ci/uv

# Each package of this repository; a changed pyproject.toml installs all anew (they are editable).
PROJECTS := $(wildcard libs/*/pyproject.toml services/*/pyproject.toml)
EDITABLE := $(foreach project,$(PROJECTS),-e $(dir $(project)))
IMPORTED := $(notdir $(wildcard libs/*/src/* services/*/src/*))

PYTEST := $(BIN)/pytest

##@ Run
.PHONY: up down status
up: $(VENV)/.posta-up ## Start the whole system; Ctrl-C stops it, the data stay (ARGS=--detach leaves it running)
	@exec $(BIN)/posta up $(ARGS)

down: $(VENV)/.posta-up ## Stop it from another shell (ARGS=--wipe forgets the data)
	@exec $(BIN)/posta down $(ARGS)

status: $(VENV)/.posta-up ## Say how each part is
	@exec $(BIN)/posta status $(ARGS)

##@ Test
.PHONY: test test-unit chaos
test: $(VENV)/.posta-dev ## Everything: unit, integration on real servers, end to end through a browser
	$(PYTEST) -m "not chaos" -n 3 --dist loadgroup $(ARGS)

test-unit: $(VENV)/.posta-dev ## What needs no server, without what is slow; seconds
	$(PYTEST) tests/unit -m "not slow" -p no:schemathesis -n 3 --dist worksteal $(ARGS)

chaos: $(VENV)/.posta-dev ## Long fault runs, 45 minutes and more (POSTA_SOAK_S=180 shortens the soak of 20 minutes)
	HYPOTHESIS_PROFILE=thorough $(PYTEST) tests/unit tests/simulation tests/bench -m "chaos or not (integration or e2e)" $(ARGS)
	$(PYTEST) tests/chaos -s --show-capture=no $(ARGS)
	$(PYTEST) tests/integration -m chaos -s --show-capture=no $(ARGS)

##@ Measure
.PHONY: bench
BENCH := .posta-bench
bench: $(VENV)/.posta-dev $(BENCH)/.posta-peers ## Everything beside its peers, more than an hour (ARGS=--quick: a quarter of one, prints only)
	$(BIN)/posta bench engine $(or $(ARGS),--write docs/benchmarks.md)
	for part in ingress notifier llm; do \
		$(BIN)/posta bench $$part $(if $(ARGS),$(filter --quick,$(ARGS)),--write docs/benchmarks.md); \
	done

##@ Check
.PHONY: check format format-check lint types contracts
check: format-check lint types contracts test ## The front door, as CI runs it

format: $(VENV)/.posta-dev ## Format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix --exit-zero --quiet .

format-check: $(VENV)/.posta-dev
	$(BIN)/ruff format --check .

lint: $(VENV)/.posta-dev
	$(BIN)/ruff check .

types: $(VENV)/.posta-dev
	$(BIN)/mypy $(foreach package,$(IMPORTED),-p $(package))

contracts: $(VENV)/.posta-dev
	$(BIN)/lint-imports

##@ Maintain
.PHONY: reference screenshots lock clean
reference: $(VENV)/.posta-dev ## Write docs/reference anew from the code
	$(BIN)/posta reference $(ARGS)

COMPILE = $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--custom-compile-command "make lock" --no-emit-index-url
screenshots: $(VENV)/.posta-dev ## Take the pictures of the sandbox's page anew (docs/images), through Chromium
	POSTA_SCREENSHOTS=docs/images $(PYTEST) -q tests/e2e/test_page_pictures.py $(ARGS)

lock: $(VENV)/.posta-uv ## Resolve the dependencies anew (ARGS=--upgrade takes newer ones)
	$(COMPILE) $(ARGS) requirements.in -o requirements.txt
	$(COMPILE) $(ARGS) -c requirements.txt requirements-services.in -o requirements-services.txt
	$(COMPILE) $(ARGS) -c requirements.txt requirements-dev.in -o requirements-dev.txt
	$(COMPILE) $(ARGS) -c requirements.txt requirements-bench.in -o requirements-bench.txt
	echo uv | $(COMPILE) $(ARGS) - -o requirements-uv.txt

clean: ## Remove .venv, .posta-bench and caches; a system's data stay (`make down ARGS=--wipe` removes those)
	rm -rf $(VENV) $(BENCH) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -not -path './.posta/*' -prune -exec rm -rf {} +

.PHONY: help
help: ## Show this
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} \
		/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# The virtual environment, in three steps; each is redone only when what it was made of has changed.
$(VENV)/.posta-uv: requirements-uv.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "Posta needs Python 3.11 or newer; '$(PYTHON)' is $$($(PYTHON) -V 2>&1 || true)." >&2; \
		echo "  → Name a newer one: make PYTHON=python3.12 $(or $(MAKECMDGOALS),up)" >&2; exit 1; }
	@test -x $(BIN)/python || { echo "Making $(VENV) …"; $(PYTHON) -m venv $(VENV); } || { \
		echo "'$(PYTHON) -m venv' failed." >&2; \
		echo "  → On Debian or Ubuntu install python3-venv, then try again." >&2; \
		rm -rf $(VENV); exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes \
		-r requirements-uv.txt || { \
		echo "uv could not be installed from the package registry." >&2; \
		echo "  → Check the network, or pip's settings: python3 -m pip config list" >&2; exit 1; }
	@touch $@

INSTALL_FAILED = { echo "The locked dependencies could not be installed (see above)." >&2; \
	echo "  → Check the network and the free disk space, then run the same command again." >&2; exit 1; }

$(VENV)/.posta-up: $(VENV)/.posta-uv requirements.txt $(PROJECTS)
	@echo "Installing what Posta needs …"
	@$(UV) pip install --quiet --python $(BIN)/python --compile-bytecode --require-hashes \
		-r requirements.txt || $(INSTALL_FAILED)
	@$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation $(EDITABLE)
	@touch $@

$(VENV)/.posta-dev: $(VENV)/.posta-uv requirements-dev.txt $(PROJECTS)
	@echo "Installing what Posta and its tests need …"
	@$(UV) pip install --quiet --python $(BIN)/python --compile-bytecode --require-hashes \
		-r requirements-dev.txt || $(INSTALL_FAILED)
	@$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation $(EDITABLE)
	@touch $(VENV)/.posta-up $@

# The peers of `make bench`, apart from the locked environment: what they need must not move ours.
$(BENCH)/.posta-peers: $(VENV)/.posta-uv requirements-bench.txt
	@echo "Installing the peers to compare with …"
	@$(UV) venv --quiet --clear --python $(BIN)/python $(BENCH)
	@$(UV) pip install --quiet --python $(BENCH)/bin/python --require-hashes \
		-r requirements-bench.txt || $(INSTALL_FAILED)
	@touch $@
