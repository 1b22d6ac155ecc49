# Every target sets up what it needs; a second call costs about a second.
#   make demo             the dashboard on a synthetic market: http://127.0.0.1:8787
#   make run              the scanner by tapelight.toml
#   make test             every test        make unit   the part below a minute
#   make lint             ruff, mypy, deploy/, the dashboard's types
#   make chaos            kills, seeds and fuzzing by the thousand: hours
#   make bench            the benchmarks    make clean  back to a fresh clone
#   make lock             new requirements/ from pyproject.toml (UPGRADE=1: newest versions)
# PYTHON=/path/to/python3 names the interpreter; ARGS="--port 9000" is handed on to the command.

MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.PHONY: help setup dev demo run test unit lint chaos bench clean lock FORCE

BIN := .venv/bin
STAMPS := .venv/stamps
STATIC := src/tapelight/web/static/index.html
# Folders are in it too: their time tells that a file went away.
UI := $(shell find ui \( -name node_modules -o -name dist \) -prune -o -print 2>/dev/null)
KERNELS := $(wildcard src/tapelight/market/*.py src/tapelight/feeds/*.py \
	src/tapelight/feeds/massive/plain.py src/tapelight/feeds/simulator/jsonrows.py src/tapelight/scan/members.py \
	src/tapelight/engine.py)
export PYTHON
# Each process would compile all that it imports anew: the tests start hundreds of them.
unexport PYTHONDONTWRITEBYTECODE

help:
	@sed -n '2,10s/^# *//p' Makefile

setup: $(STAMPS)/base $(STAMPS)/project $(STAMPS)/warm
dev: $(STAMPS)/dev $(STAMPS)/project $(STAMPS)/warm

$(STAMPS)/venv: tools/venv.sh requirements/uv.txt
	@tools/venv.sh
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/base: requirements/base.txt $(STAMPS)/venv
	@echo "Installing the requirements."
	@tools/install.sh base
	@touch $@

$(STAMPS)/dev: requirements/dev.txt $(STAMPS)/base
	@echo "Installing what the tests need."
	@tools/install.sh dev
	@touch $@

$(STAMPS)/project: pyproject.toml hatch_build.py requirements/build.txt $(UI) $(STAMPS)/base \
		$(if $(wildcard $(STATIC)),,FORCE)
	@echo "Installing Tapelight and building its dashboard."
	@tools/install.sh project
	@touch $@

# The jitted loops are compiled once, here, so that the first start need not wait for them.
$(STAMPS)/warm: $(KERNELS) $(STAMPS)/base $(STAMPS)/project
	@if [ -f src/tapelight/market/warm.py ]; then \
		echo "Compiling the inner loops." && $(BIN)/python -m tapelight.market.warm && \
		$(BIN)/python -c "from tapelight.scan.members import warm; warm()" && \
		$(BIN)/python -c "from tapelight.feeds.massive.plain import warm; warm()" && \
		$(BIN)/python -c "from tapelight.feeds.simulator.jsonrows import warm; warm()"; fi
	@touch $@

demo: setup
	@$(BIN)/tapelight demo $(ARGS)

run: setup
	@$(BIN)/tapelight run $(ARGS)

# One run, so that its closing line counts everything; tests/conftest.py puts what is slow or
# needs a browser or a service last.
test: dev
	@tools/test_services.sh
	@tools/ui.sh test
	@$(BIN)/python -m pytest -n 2 --dist loadscope --no-loadscope-reorder $(ARGS)

unit: dev
	@$(BIN)/python -m pytest -n 2 --dist loadfile $(ARGS) \
		-m "not integration and not slow and not service and not browser"

lint: dev
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/python -m pytest -q -n 0 tests/deploy/test_files.py
	@tools/ui.sh check

chaos: dev
	@$(BIN)/python tools/kill_trader.py --count 1000
	@$(BIN)/python tools/kill_trader.py --trips 1000
	@$(BIN)/python tools/simulate_orders.py --count 10000
	@$(BIN)/python tools/simulate_orders.py --unanswered --count 1000
	@$(BIN)/python tools/simulate_orders.py --faults
	@$(BIN)/python tools/fuzz_limits.py --count 1000000
	@tools/test_services.sh
	@TAPELIGHT_CHAOS=20 $(BIN)/python -m pytest -n 0 tests/roles tests/backends

bench: setup
	@$(BIN)/tapelight bench $(ARGS)

lock: $(STAMPS)/venv
	@tools/lock.sh $(if $(UPGRADE),--upgrade)

clean:
	rm -rf .venv dist build ui/node_modules src/tapelight/web/static .stamps \
		.mypy_cache .ruff_cache .pytest_cache .hypothesis
	find src tests tools -name __pycache__ -prune -exec rm -rf {} +

FORCE:
