# Each target does its own set-up: python3 (3.10+), a C++20 compiler and pip's registry are all that is needed.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
SOURCES := pyproject.toml CMakeLists.txt $(wildcard constraints/*.txt) $(shell find native -name '*.cpp' -o -name '*.h' -o -name '*.inc' -o -name 'CMakeLists.txt' 2>/dev/null)
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: help setup demo test test-slow test-interop bench soak fuzz docs lint format clean
help:
	@echo "make demo    train a binary network on digits, export it, run it natively (under a minute after set-up)"
	@echo "make test    the tests, in minutes"
	@echo "make test-slow  those that build, kill and wait: sanitizers, emulated tiers, several processes"
	@echo "make test-interop  the tests with ONNX Runtime, QONNX, Brevitas and OpenVINO, which it installs"
	@echo "make bench   inference beside OpenVINO, ONNX Runtime and torch; writes docs/results (ARGS=--quick to try it)"
	@echo "make soak    ten million inferences of random networks against the reference"
	@echo "make fuzz    a million mutated files through the native loader and executor; needs clang"
	@echo "make docs    the site, into build/site (it needs no network to be read)"
	@echo "make lint    ruff, mypy, clang-format"
	@echo "make format  apply ruff and clang-format"

setup: $(STAMP)

# Without build isolation the native build is incremental and the compiler sees the pinned nanobind.
$(STAMP): $(SOURCES)
	@echo "setting up $(VENV) (first time: a few minutes)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(PIP) -r constraints/build.txt
	@$(PIP) --no-build-isolation -c constraints/cpu.txt -e '.[train,dev]'
	@touch $@

demo: $(STAMP)
	@$(BIN)/signbit demo

# What concerns other engines is left to test-interop, whatever is installed: in one process with it, tests of Ctrl-C have crashed.
INTEROP := tests/interop tests/benchmarks src/signbit/interop
WITHOUT := $(addprefix --ignore=,$(INTEROP))

test: $(STAMP)
	@$(BIN)/signbit info
	@$(BIN)/python -m pytest -n 2 -m "not slow" $(WITHOUT) $(ARGS)

test-slow: $(STAMP)
	@$(BIN)/python -m pytest -n 2 -m slow $(WITHOUT) $(ARGS)

# The other engines, for the targets that compare with them.
PEERS := $(VENV)/.peers
$(PEERS): $(STAMP)
	@echo "installing the engines to compare with"
	@$(PIP) --no-build-isolation -c constraints/cpu.txt -e '.[train,dev,bench,interop,interop-test]'
	@touch $@

test-interop: $(PEERS)
	@$(BIN)/python -m pytest -n 2 $(INTEROP) $(ARGS)

bench: $(PEERS)
	@$(BIN)/python -m benchmarks $(ARGS)

soak: $(STAMP)
	@$(BIN)/python tests/soak/soak.py $(ARGS)

fuzz: $(STAMP)
	@$(BIN)/python native/fuzz/run.py $(ARGS)

SITE := $(VENV)/.site
$(SITE): $(STAMP)
	@echo "installing what builds the site"
	@$(PIP) --no-build-isolation -c constraints/cpu.txt -e '.[train,dev,docs]'
	@touch $@

docs: $(SITE)
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet $(ARGS)
	@echo "build/site/index.html; with search: python3 -m http.server -d build/site"

# The types of what reads and writes ONNX are checked too: it has to be there.
lint: $(PEERS)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	find native examples -name '*.cpp' -o -name '*.c' -o -name '*.h' | xargs $(BIN)/clang-format --dry-run --Werror

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	find native examples -name '*.cpp' -o -name '*.c' -o -name '*.h' | xargs $(BIN)/clang-format -i

clean:
	rm -rf build $(VENV)
