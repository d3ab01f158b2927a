# One target per thing that a person wants; pixi tasks call these and repeat no command.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LOCK := requirements.lock
HASHES := requirements.paper.lock
AUDIT := requirements.audit.lock
# what `make reproduce` trains
PRESET ?= demo
SEEDS ?= 0,1
export OMP_NUM_THREADS ?= 1

.DEFAULT_GOAL := help
.PHONY: help site reproduce quick test test-system lint lock audit sbom bench soak clean

help: ## what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

# An environment is made once for each set of extras; the stamp's name says which sets are there.
$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# nothing is installed but files whose hashes are committed, the build backend among them
$(VENV)/.paper: pyproject.toml $(HASHES) | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(HASHES)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.train: pyproject.toml $(LOCK) | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c $(LOCK) -e '.[paper,train]'
	@touch $@ $(VENV)/.paper

$(VENV)/.dev: pyproject.toml $(LOCK) | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c $(LOCK) -e '.[paper,train,cluster,data,notebook,mf4,dev]'
	@touch $@ $(VENV)/.paper $(VENV)/.train

paper/figures/node_modules/.stamp: paper/figures/package-lock.json
	@# no package runs a script while it is installed; those that have one need none of it: tests/test_project.py names them
	cd paper/figures && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

site: $(VENV)/.paper paper/figures/node_modules/.stamp ## render the committed release: PDF and site, nothing trained
	$(BIN)/python -m analysis.render

reproduce: $(VENV)/.train paper/figures/node_modules/.stamp ## train, freeze, render, compare with a committed release
	$(BIN)/python -m analysis.reproduce --level train --preset $(PRESET) --seeds $(SEEDS)

quick: $(VENV)/.dev ## style, types and the quick tests: what to edit against
	$(BIN)/python -m tools.check quick

test: $(VENV)/.dev paper/figures/node_modules/.stamp ## style, dead code, licences, and the whole suite
	@# what only root may install; elsewhere the tests that want it say so and are left out
	@if [ -n "$$CI" ] && [ "$$(id -u)" = 0 ]; then $(MAKE) --no-print-directory test-system; fi
	$(BIN)/python -m tools.check test

test-system: ## Debian packages that some tests need (root)
	apt-get update -qq
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium poppler-utils slurmctld slurmd slurm-client munge > /dev/null

lint: $(VENV)/.dev ## style, types and import contracts
	$(BIN)/python -m tools.check lint

audit: $(VENV)/.dev ## dead code, unused and vulnerable dependencies (needs PyPI itself), licences, workflows
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(AUDIT)
	$(BIN)/python -m tools.check audit
	@# strict: without it, packages that could not be looked up pass
	$(BIN)/pip-audit --strict --requirement $(LOCK) --no-deps --disable-pip --progress-spinner off
	cd paper/figures && npm audit --omit=dev

sbom: $(VENV)/.paper ## every dependency of both locks as CycloneDX: sbom.cdx.json (Python), sbom-site.cdx.json (the site's JavaScript)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(AUDIT)
	$(BIN)/cyclonedx-py requirements --output-reproducible --output-file sbom.cdx.json $(LOCK)
	cd paper/figures && npm sbom --sbom-format cyclonedx --package-lock-only > ../../sbom-site.cdx.json

bench: $(VENV)/.train ## measure speeds; rows for the table `benchmarks` of the next release
	$(BIN)/python -m benchmarks

lock: $(VENV)/.dev ## write the versions that are installed to the locks
	@# what `.dev` leaves out: the locks have every extra
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c $(LOCK) -e '.[audit,fuzz]'
	$(BIN)/python -m tools.lock

soak: $(VENV)/.dev paper/figures/node_modules/.stamp ## what is too long for CI, into docs/soak.md: 200 kills, a million damaged inputs, a thousand forgeries, the long tests (hours)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c $(LOCK) -e '.[fuzz]'
	@failed=0; for part in faults fuzz mutation "soak guided" "soak tests" "soak flow"; do $(BIN)/python -m tests.$$part || failed=1; done; \
	$(BIN)/python -m tests.soak write; $(BIN)/python -m benchmarks; exit $$failed

clean: ## everything generated, but not the environment, stores or runs
	rm -rf _site _variables.yml trace.json claims.json paper/figures/dist paper/figures/static
