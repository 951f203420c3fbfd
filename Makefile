# Needs Python 3.10 to 3.13 and make. Everything else is installed into .venv.
# Name another Python by `make demo PYTHON=/path/to/python3.12`.

VENV ?= .venv
PYTHON ?= python3.11 python3.12 python3.13 python3.10 python3 python
PYTEST_ARGS ?=
RUN ?= runs/demo
# Two processes hide each other's waiting for TensorFlow; a file's tests share what was trained.
PYTEST = $(VENV)/bin/python -m pytest -n 2 --dist loadfile

FITS = import sys, ensurepip, venv; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))
INSTALL = $(VENV)/bin/python -m pip install --disable-pip-version-check -c constraints.txt

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup demo test test-slow lint types contracts check wheel pi clean

help: ## list what can be made
	@awk -F ': .*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' Makefile

setup: $(VENV)/.dev ## install everything into .venv

demo: $(VENV)/.train ## the whole job on the embedded digits: train, prune, export, compare, report
	$(VENV)/bin/edgedigits demo --run $(RUN) --overwrite

test: $(VENV)/.dev ## the tests; PYTEST_ARGS="tests/test_metrics.py -k wilson" runs some of them
	$(PYTEST) -m "not slow" $(PYTEST_ARGS)

test-slow: $(VENV)/.dev ## the tests that train and convert for longer
	$(PYTEST) -m slow $(PYTEST_ARGS)

lint: $(VENV)/.dev ## ruff: rules and layout
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .

types: $(VENV)/.dev ## mypy, strict
	$(VENV)/bin/mypy

contracts: $(VENV)/.dev ## import-linter: imports run one way
	$(VENV)/bin/lint-imports

check: lint types contracts test ## lint, types, contracts and test

wheel: $(VENV)/.dev ## build sdist and, from it, the wheel into dist/
	rm -rf build dist
	$(VENV)/bin/python -m build

pi: wheel ## an emulated Raspberry Pi for the tests, in .pi; Debian: apt install mmdebstrap qemu-user-static
	tests/emulated_pi.sh .pi dist/*.whl

clean: ## remove builds and caches, the emulated Pi; .venv and runs/ stay
	rm -rf build dist .pi *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name .venv -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.made:
	@for python in $(PYTHON); do \
		if "$$python" -c '$(FITS)' 2>/dev/null; then \
			echo "making $(VENV) with $$("$$python" --version)"; \
			"$$python" -m venv --clear $(VENV) && touch $@; exit; \
		fi; \
	done; \
	echo "edgedigits needs Python 3.10, 3.11, 3.12 or 3.13 with its venv module (Debian and Ubuntu:" >&2; \
	echo "apt install python3-venv); none fits of: $(PYTHON). Name one: make PYTHON=/path/to/python3.12" >&2; \
	exit 1

$(VENV)/.train: $(VENV)/.made pyproject.toml constraints.txt
	@echo "installing TensorFlow and the rest into $(VENV): 2 GB, some minutes the first time"
	$(INSTALL) -e '.[train]'
	@touch $@

$(VENV)/.dev: $(VENV)/.made pyproject.toml constraints.txt
	@echo "installing TensorFlow, test tools and the rest into $(VENV): 2 GB, some minutes the first time"
	$(INSTALL) -e '.[dev]'
	@touch $(VENV)/.train $@
