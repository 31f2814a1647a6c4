# The commands to learn. Each is a line or two over scripts/ and the tools of .venv.
.DEFAULT_GOAL := help
.PHONY: help build debug annotate fmt lint types test check bench mutants sanitize replay docs lock clean

PY := .venv/bin/python
BIN := .venv/bin
CYTHON_FILES = $(shell find oms gateways -name '*.pyx' -o -name '*.pxd')

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' Makefile | expand -t 12

build: ## everything scripts/setup does, with the developers' tools
	@scripts/setup --dev

debug: build ## the engine with all checks on; `make build` brings the release build back
	QUORATE_DEBUG=1 $(PY) setup.py -q build_ext --inplace --force
	@rm -f .venv/.setup-stamp.sources

annotate: build ## Cython's cost report in build/annotate, where yellow touches Python
	@mkdir -p build/annotate
	$(BIN)/cython -3 -X boundscheck=False,wraparound=False,cdivision=True,initializedcheck=False \
	  -a -o build/annotate/engine.c oms/_core/engine.pyx

fmt: build ## format and apply the safe corrections
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lint: build ## ruff, cython-lint and the house rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@if [ -n "$(CYTHON_FILES)" ]; then $(BIN)/cython-lint $(CYTHON_FILES); fi
	$(PY) scripts/tidy.py

types: build ## mypy, strict
	$(BIN)/mypy

test: ## what scripts/test runs; TESTS="tests/unit -k replace" narrows it
	@scripts/test $(TESTS)

check: lint types test ## all of it: a change is finished when this passes

bench: build ## the micro-benchmarks; the larger ones are listed in perf/README.md
	$(PY) perf/bench_messages.py --fast
	$(PY) perf/bench_codec.py --fast
	$(PY) perf/micro_engine.py --fast

sanitize: build ## the engine under the compiler's sanitizers
	@scripts/sanitize

mutants: build ## deliberate faults: is each of them caught?
	$(PY) -m tests.mutants

replay: ## repeat a random test run: make replay SEED=123 [TESTS=tests/properties]
	@scripts/test --hypothesis-seed=$(SEED) $(or $(TESTS),tests/properties)

docs: build ## are the links in the documents good?
	$(PY) scripts/tidy.py --documents

lock: build ## write requirements.lock from what is installed now
	@{ sed -n '/^#/p' requirements.lock; \
	   $(PY) -m pip freeze --all --exclude-editable \
	     | grep -viE '^(pip|wheel|quorate)([ =@]|$$)'; } >requirements.lock.new
	@mv requirements.lock.new requirements.lock

clean: ## remove what builds leave behind; .venv stays
	rm -rf build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find oms gateways tests scripts perf -name __pycache__ -type d -prune -exec rm -rf {} +
	find oms gateways -name '*.so' -delete
	rm -f oms/_core/*.c
	@rm -f .venv/.setup-stamp.sources
