# The front door. `make run` and `make test` need Python 3.11 or newer and a package index; nothing else.

PYTHON ?= python3
BIN := .venv/bin

.PHONY: run test demo bench wespeaker lint lock clean help

help:
	@echo "make run    start the platform and print how to reach it (Ctrl-C stops it)"
	@echo "make demo   enroll the sample voices over HTTP and identify them"
	@echo "make test   run the tests"
	@echo "make bench  measure speed and memory, side by side with the bare analysis"
	@echo "make wespeaker  install what turns WeSpeaker checkpoints into models, 1 GB"
	@echo "make lint   check style, types and import directions"
	@echo "make lock   pin requirements*.in anew"

run: .venv/run-time
	@exec $(BIN)/python -m config

demo: .venv/run-time
	@exec $(BIN)/python -m config $(BIN)/python manage.py demo

test: .venv/development
	@exec $(BIN)/python -m pytest -n logical --maxprocesses 8 --dist loadfile --no-loadscope-reorder

bench: .venv/development
	@exec $(BIN)/python -m bench

wespeaker: .venv/wespeaker

lint: .venv/development
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy .
	$(BIN)/lint-imports
	$(BIN)/python manage.py makemigrations --check --dry-run

lock: .venv/development
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile $(LOCK) requirements.in -o requirements.txt
	$(BIN)/uv pip compile $(LOCK) requirements-dev.in -o requirements-dev.txt
	$(BIN)/uv pip compile $(LOCK) requirements-wespeaker.in -o requirements-wespeaker.txt
LOCK := --quiet --upgrade --python-version 3.11 --universal --fork-strategy fewest \
	--no-emit-index-url --no-annotate --custom-compile-command "make lock"

clean:
	rm -rf .venv

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "openvpr: Python 3.11 or newer is needed; name one with PYTHON=…"; exit 1; }
	@echo "openvpr: making a Python environment in .venv (once)"
	@$(PYTHON) -m venv .venv \
		|| { echo "openvpr: this Python has no venv module (Debian: apt-get install python3-venv)"; rm -rf .venv; exit 1; }

.venv/run-time: requirements.txt | .venv/bin/python
	@echo "openvpr: installing what the platform needs (once)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

.venv/development: requirements-dev.txt .venv/run-time
	@echo "openvpr: installing what the tests need (once)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

# PyTorch for processors only comes from an index of its own; set CPU_TORCH empty where yours has it.
CPU_TORCH ?= --extra-index-url https://download.pytorch.org/whl/cpu

.venv/wespeaker: requirements-wespeaker.txt .venv/run-time
	@echo "openvpr: installing PyTorch and the wespeaker package (once)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps $(CPU_TORCH) \
		-c requirements-wespeaker.txt torch torchaudio
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements-wespeaker.txt
	@touch $@
