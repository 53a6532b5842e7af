# The standard ways in. Everything runs from .venv, which `make setup` keeps as requirements.lock says.

PYTHON ?= python3
UV_VERSION := 0.13.9
BIN := .venv/bin
CHROMIUM := /usr/bin/chromium

# Many environments forbid Python to keep bytecode. Then each process compiles 1,700 modules again, which is two thirds of its
# start, and the demo and the tests start dozens.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help setup demo test bench lint types tests browser format lock
.ONESHELL:
.SHELLFLAGS := -euc

help: ## Show this list
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST)

demo: setup ## Run the whole product on this machine until Ctrl-C; ARGS="--port 8001" and the like are passed on
	@exec $(BIN)/python manage.py demo $(ARGS)

test: lint types tests ## Run everything that must hold before a change goes in

bench: setup ## Measure against the floor and the peers, and print the table of ratios
	@exec $(BIN)/python -m bench.run $(ARGS)

lint: setup ## Check style, formatting and the direction of imports
	@$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports

types: setup ## Check types
	@$(BIN)/mypy .

# One PostgreSQL and one broker for both test processes, in a directory that is removed afterwards.
tests: setup browser ## Run the tests alone; ARGS="-k purchase" and the like are passed on to pytest
	@exec $(BIN)/python -m lootbox.embedded exec --temporary --fast -- \
		sh -euc '$(BIN)/python manage.py makemigrations --check && exec $(BIN)/python -m pytest -n 2 $(ARGS)'

format: setup ## Put the code into shape
	@$(BIN)/ruff check --fix
	$(BIN)/ruff format

lock: setup ## Write requirements.lock anew from pyproject.toml
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
		--group dev pyproject.toml -o requirements.lock

# Implementation details

# Compared by content, as a checkout changes times, and the path counts, as programs in .venv name it.
setup: ## Create or renew .venv; does nothing when it is up to date
	@case "$$($(PYTHON) -c 'import sys; print(sys.version_info >= (3, 11))' 2>&1)" in
		True) ;;
		*) echo "Python 3.11 or later is needed and $(PYTHON) is not one: make setup PYTHON=/path/to/python3" >&2; exit 1 ;;
	esac
	wanted="$$($(PYTHON) -c 'import hashlib, pathlib, sys; print(
		sys.version, pathlib.Path.cwd(), hashlib.sha256(pathlib.Path("requirements.lock").read_bytes()).hexdigest())')"
	if [ "$$(cat .venv/made-from 2>/dev/null)" = "$$wanted" ]; then exit 0; fi
	echo "Installing into .venv, which takes about a minute."
	if ! $(PYTHON) -c 'import ensurepip, venv' 2>/dev/null; then
		echo "$(PYTHON) lacks its module venv; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1
	fi
	$(PYTHON) -m venv --clear .venv
	pip="$(BIN)/python -m pip --disable-pip-version-check"
	if ! { $$pip install --quiet uv==$(UV_VERSION) \
			&& $(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements.lock; }; then
		echo "uv did not get it done; trying pip, which takes longer." >&2
		$$pip install --quiet --require-hashes -r requirements.lock
	fi
	printf '%s\n' "$$wanted" > .venv/made-from

browser:
	@if [ -x $(CHROMIUM) ]; then exit 0; fi
	if [ "$$(id -u)" = 0 ] && command -v apt-get > /dev/null; then
		echo "Installing Chromium for the browser tests."
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends chromium > /dev/null || true
	fi
	[ -x $(CHROMIUM) ] || echo "The browser tests will fail: they need $(CHROMIUM), on Debian: apt-get install chromium" >&2
