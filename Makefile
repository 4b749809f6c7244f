# What people and machines do with a checkout. `make help` lists it; .ci/venv does the setting up.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/bash

# Tests start hundreds of processes; without the compiled files each would compile all of Daypass.
unexport PYTHONDONTWRITEBYTECODE

PYTHON ?=
BIN := .venv/bin
READY := .venv/.ready
# An environment with the server's libraries alone: a tenth of .venv.
SERVER := build/server
CHECKED := $(wildcard src tests bench demo)
PYTEST_ARGS ?=
FUZZ_SECONDS ?= 60
ROUNDS ?= 100
FUZZ_JOBS ?= 2
SOAK_SECONDS ?= 3600
SOAK_ARGS ?=
TARGETS ?=
VERSION ?=
DATE ?=
# A file to each process: what a file's tests share (a server, a cluster) is built once. Three processes for two cores,
# because many tests wait for programs, databases and time limits.
PYTEST := -m pytest -q -n 3 --dist loadfile

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' Makefile

demo: $(READY) ## start a scratch server and walk through it with the real AWS CLI
	@$(BIN)/python -m demo.demo

test: $(READY) ## run the test suite (PYTEST_ARGS=... adds to pytest's)
	@$(BIN)/python $(PYTEST) -m "not slow" $(PYTEST_ARGS)

test-slow: $(READY) ## run the tests that take long and rarely break
	@$(BIN)/python $(PYTEST) -m slow $(PYTEST_ARGS)

test-client: $(READY) ## run the client's tests with an installation of the client alone
	@.ci/test-client $(PYTEST_ARGS)

test-all: ## run the suite on Python 3.12 and 3.13 too, where they are present
	@.ci/other-pythons

check: $(READY) ## lint, formatting, types and the layers
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check . || { echo "run .venv/bin/ruff format on the files above"; exit 1; }
	@$(BIN)/mypy $(CHECKED)
	@$(BIN)/lint-imports --no-cache --no-logo

bench: $(READY) ## measure against the bare server and peers (at most 5 minutes), into build/bench.json
	@python=$$(.ci/bench-python) && "$$python" -m bench.bench

bench-gateway: $(READY) ## measure the gateway beside nginx (at most 5 minutes), into build/bench-gateway.json
	@python=$$(.ci/bench-python) && "$$python" -m bench.gateway

bench-peers: $(READY) ## measure beside SeaweedFS and Ceph (at most 5 minutes), into build/bench-peers.json
	@python=$$(.ci/bench-python) && "$$python" -m bench.peers

crash-rounds: $(READY) ## kill writers of each store 100 times, and check what is left (ROUNDS=100)
	@DAYPASS_TEST_CRASH_ROUNDS=$(ROUNDS) $(BIN)/python -m pytest -q -m slow tests/storage/test_crash_rounds.py

soak: $(READY) ## make mixed calls to real servers for SOAK_SECONDS=3600, and check answers, growth and audit logs
	@$(BIN)/python -m bench.soak --seconds $(SOAK_SECONDS) $(SOAK_ARGS)

costs: $(READY) ## count the work of each operation, and record it for the regression test
	@$(BIN)/python -m tests.costs --record

fuzz: $(READY) ## fuzz the parsers, FUZZ_SECONDS=60 each, FUZZ_JOBS=2 at a time (TARGETS='http saml' for some)
	@.ci/fuzz $(FUZZ_SECONDS) $(FUZZ_JOBS) $(TARGETS)

vectors: $(READY) ## download AWS's test vectors into build/vectors (CONTRIBUTING.md says how to use them)
	@.ci/vectors

docs: $(READY) ## build the documentation site into build/docs
	@.ci/docs

serve: $(SERVER)/.ready ## run the server from this checkout (ARGS='--port 7878 ...' for its flags)
	@$(SERVER)/bin/daypass serve $(ARGS)

release: ## build what a release consists of, into dist/ (RELEASE_KEY=FILE signs it; docs/releasing.md)
	@.ci/release $(PYTHON)

changelog: ## move the entries of changes/ into CHANGELOG.md (VERSION=0.2.0 DATE=2026-12-15)
	@.ci/changelog "$(VERSION)" "$(DATE)"

lock: ## pin the newest fitting dependencies into constraints.txt (needs uv)
	@.ci/lock

setup: $(READY) ## only set up .venv (PYTHON=... chooses the interpreter)

$(SERVER)/.ready: pyproject.toml constraints-server.txt .ci/build-constraints.txt .ci/venv
	@PINS='constraints-server.txt .ci/build-constraints.txt' .ci/venv $(SERVER) $(PYTHON)
	@touch $@

$(READY): pyproject.toml constraints.txt .ci/venv
	@.ci/venv .venv $(PYTHON)
	@touch $@

.PHONY: help demo test test-slow test-client test-all check bench bench-gateway bench-peers crash-rounds soak costs fuzz vectors docs serve release changelog lock setup
