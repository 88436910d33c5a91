# stokeswarm: everything a newcomer or the CI runs. Needs python3 (3.11 or newer), make and git, nothing else.
# `make` or `make help` lists the targets.

PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
PYTEST := $(PY) -m pytest
# further arguments of pytest or of the demo:  make test ARGS='-k codec -x'
ARGS ?=

CODE := protos client inference_service inversion_service
PROTOS := $(sort $(wildcard protos/stokeswarm/v1/*.proto))
# reference.py is what they share
BENCHMARKS := $(filter-out benchmarks/reference.py,$(sort $(wildcard benchmarks/*.py)))
STUBS := build/stubs

# A broken build must not come from the user's own site-packages.
export PYTHONNOUSERSITE := 1

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
# Two targets may install into the one environment: never at the same time.
.NOTPARALLEL:
.PHONY: help demo test test-slow test-external lint bench paper protos format wheel clean

help: ## list the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/.ready-demo ## invert a synthetic active region with the whole system and draw it (demo-output/)
	@$(VENV)/bin/stokeswarm demo $(ARGS)

test: $(VENV)/.ready-test ## the tests that need neither patience nor foreign binaries
	@$(PYTEST) -m "not slow and not external" $(ARGS)

test-slow: $(VENV)/.ready-test ## the slow tests
	@$(PYTEST) -m "slow and not external" $(ARGS)

test-external: $(VENV)/.ready-test ## tests against SIR, DeSIRe and RH (STOKESWARM_SIR, STOKESWARM_DESIRE, STOKESWARM_RH)
	@$(PYTEST) -m external $(ARGS)

lint: $(VENV)/.ready-test ## ruff, mypy --strict, import layers, generated stubs up to date
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/mypy $(CODE)
	$(VENV)/bin/lint-imports
	@rm -rf $(STUBS) && mkdir -p $(STUBS)
	@$(call generate_stubs,$(STUBS))
	@diff -r -x '*.proto' -x py.typed -x __pycache__ $(STUBS)/stokeswarm/v1 protos/stokeswarm/v1 \
	  || { echo 'the generated stubs are not those of the .proto files: run `make protos`' >&2; exit 1; }
	@echo 'stubs: as generated'

format: $(VENV)/.ready-test ## let ruff rewrite what it can
	$(VENV)/bin/ruff check --fix
	$(VENV)/bin/ruff format

bench: $(VENV)/.ready-demo ## every benchmark in turn: a table each, and JSON in bench-output/
	@mkdir -p bench-output
	@set -e; for file in $(BENCHMARKS); do echo "== $$file"; $(PY) "$$file" $(ARGS); done

paper: $(VENV)/.ready-demo ## the experiment of Gafeira et al. 2021: hours, in steps (paper-output/, docs/paper.md)
	@$(PY) benchmarks/paper $(ARGS)

protos: $(VENV)/.ready-test ## generate the stubs beside the .proto files
	@rm -f protos/stokeswarm/v1/*_pb2*.py protos/stokeswarm/v1/*_pb2*.pyi
	@$(call generate_stubs,protos)
	@ls protos/stokeswarm/v1

wheel: $(PY) ## build the wheel (dist/)
	@$(PY) -m pip wheel --quiet --no-deps --wheel-dir dist .
	@ls dist

clean: ## remove the environment, caches and everything generated (demo-output/ and bench-output/ too)
	rm -rf $(VENV) build dist demo-output bench-output paper-output
	rm -rf .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find $(wildcard $(CODE) tests benchmarks) -type d -name __pycache__ -prune -exec rm -rf {} +

# $(call generate_stubs,FOLDER): messages and type stubs of every file, service stubs only of files with a service.
define generate_stubs
$(PY) -m grpc_tools.protoc -I protos --python_out=$(1) --pyi_out=$(1) --grpc_python_out=$(1) $(PROTOS) && \
for file in $$(grep -L '^service ' $(PROTOS)); do \
  rm -f "$(1)/stokeswarm/v1/$$(basename "$$file" .proto)_pb2_grpc.py"; \
done
endef

# One environment; each extra leaves a stamp, so that a second run starts at once and the demo installs no test tools.
$(VENV)/.ready-%: pyproject.toml | $(PY)
	@echo "installing stokeswarm[$*] into $(VENV) (once; a few minutes) ..."
	@$(PY) -m pip install --quiet --disable-pip-version-check --editable '.[$*]'
	@touch $@

$(PY):
	@command -v "$(PYTHON)" >/dev/null || { \
	  echo 'stokeswarm needs Python 3.11 or newer: $(PYTHON) was not found (Debian: apt-get install python3 python3-venv)' >&2; \
	  exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "stokeswarm needs Python 3.11 or newer: $(PYTHON) is $$("$(PYTHON)" -V 2>&1); name another one: make PYTHON=python3.12 ..." >&2; \
	  exit 1; }
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "$(PYTHON) cannot make virtual environments: its venv or ensurepip module is missing (Debian: apt-get install python3-venv)" >&2; \
	  exit 1; }
	@"$(PYTHON)" -m venv --clear $(VENV) || { rm -rf $(VENV); exit 1; }
