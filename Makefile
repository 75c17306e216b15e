# The front door. Everything runs in .venv, which the first target that needs it makes.
# A fresh machine needs git, make and Python 3.11 or newer; no compiler. `make help` prints the targets.
.DEFAULT_GOAL := help
.NOTPARALLEL:
.DELETE_ON_ERROR:

VENV := .venv
BIN := $(VENV)/bin
UV := $(VENV)/tools/bin/uv
# Compiled at once: half a minute now, or six seconds at each start where Python may not write beside its modules.
INSTALL := $(UV) pip install --quiet --compile-bytecode --python $(BIN)/python
# What `make gen` writes; committed, and compared by `make check`.
GENERATED := examples/data docs/reference crds charts/steerlm-operator/files
FAST := not slow and not cluster and not gpu
# Most tests use one thread each and nothing that two could fight over.
PARALLEL := --numprocesses auto --maxprocesses 4 --dist worksteal
# Those that train or start servers come after them, two at a time: the tests of a file, and all of the cluster (tests/conftest.py), stay in one process.
HEAVY := tests/cluster tests/slow

export UV_PYTHON_DOWNLOADS := never
# Where it is set, each of the test processes compiles all test modules anew, at every start.
unexport PYTHONDONTWRITEBYTECODE
export UV_HTTP_TIMEOUT := 300

##@ Use
.PHONY: demo demo-real
demo: $(VENV)/.run  ## Train a model that steers, from generated data, in three minutes
	$(BIN)/steerlm run examples/quickstart.yaml

demo-real: $(VENV)/.demo-real  ## SmolLM2-135M on real data of ../shared/data, in half an hour
	PATH="$(CURDIR)/$(BIN):$$PATH" sh examples/demo_real.sh

.PHONY: cluster cluster-down
cluster: $(VENV)/.dev  ## A Kubernetes control plane, an S3 server and the operator on this machine, to try runs on
	@$(BIN)/python -m tests.cluster up

cluster-down: $(VENV)/.dev  ## End it
	@$(BIN)/python -m tests.cluster down

##@ Develop
.PHONY: check test fix gen lock
check: lint  ## What must be green before a commit: style, types, layers, fast tests, generated files
	$(BIN)/python -m pytest -q -m "$(FAST)" $(PARALLEL)
	@$(MAKE) --no-print-directory fresh

test: lint fresh  ## Everything that can be tested without a GPU, slow tests included
	$(BIN)/python -m pytest $(PARALLEL) $(HEAVY:%=--ignore=%)
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder --durations 25 $(HEAVY)

fix: $(VENV)/.dev  ## Put the code into shape: format, and repair what ruff can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

gen: $(VENV)/.dev  ## Write the generated files anew
	$(BIN)/python -m examples.world
	$(BIN)/python -m steerlm_operator.cli.reference docs/reference/spec.md
	$(BIN)/python -m steerlm_operator.cli.status_reference docs/reference/status.md
	$(BIN)/python -m steerlm_operator.cli.crds crds charts/steerlm-operator

lock: $(UV)  ## Pin all dependencies anew, with hashes; UPGRADE=1 takes the newest
	$(LOCK) --extra operator --extra jobs --extra dev pyproject.toml -o requirements/dev.txt
	$(LOCK) --extra operator pyproject.toml -c requirements/dev.txt -o requirements/operator.txt
	$(LOCK) --extra jobs pyproject.toml -c requirements/dev.txt -o requirements/jobs.txt
	$(LOCK) requirements/build.in -o requirements/build.txt
	$(LOCK) --no-deps requirements/demo-real.in -o requirements/demo-real.txt
	$(LOCK) requirements/tools.in -o requirements/tools.txt

.PHONY: help
help:  ## Print this
	@awk -F ':.*## ' '/^##@ /{printf "\n%s\n", substr($$0, 5)} /^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' Makefile

# Below: what the targets above are made of.
LOCK := $(UV) pip compile --quiet --universal --python-version 3.11 --fork-strategy fewest --generate-hashes \
	--no-emit-index-url --no-annotate --custom-compile-command 'make lock' $(if $(UPGRADE),--upgrade)

.PHONY: lint fresh
lint: $(VENV)/.dev
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .
	$(BIN)/mypy --num-workers 2
	$(BIN)/lint-imports

fresh: gen
	@git diff --exit-code --stat -- $(GENERATED) && test -z "$$(git status --porcelain -- $(GENERATED))" \
		|| { echo "generated files differ from the committed ones: commit what make gen wrote"; exit 1; }

$(UV): requirements/tools.txt
	@for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	  if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	    $$python -m venv $(VENV) && exit 0; exit 1; fi; done; \
	  echo "SteerLM needs Python 3.11 or newer, and found none as python3"; exit 1
	$(BIN)/python -m pip install --quiet --upgrade --require-hashes --target $(VENV)/tools -r requirements/tools.txt
	@touch $(UV)

$(VENV)/.run: $(UV) requirements/operator.txt requirements/jobs.txt requirements/build.txt pyproject.toml
	@echo "installing into $(VENV): torch comes with CUDA, about 5 GB"
	$(INSTALL) --require-hashes --build-constraints requirements/build.txt -r requirements/operator.txt -r requirements/jobs.txt
	$(INSTALL) --no-deps --build-constraints requirements/build.txt --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.run requirements/dev.txt
	$(INSTALL) --require-hashes --build-constraints requirements/build.txt -r requirements/dev.txt
	@touch $@

$(VENV)/.demo-real: $(VENV)/.run requirements/demo-real.txt
	$(INSTALL) --require-hashes --no-deps -r requirements/demo-real.txt
	@touch $@
