# The commands of this project. Each works from a clean clone: it makes .venv from the hashed requirements first.
# Needed on the machine: Python 3.11 or newer with pip and venv, make, and a package registry.

SHELL := /bin/sh
.NOTPARALLEL:
.PHONY: help demo test lint bench clean requirements docs dev
.DEFAULT_GOAL := help

# A Python of another project must not shine through.
unexport PYTHONHOME PYTHONPATH VIRTUAL_ENV

# Finds a Python that is new enough (PYTHON=... chooses one) and brings .venv to the level asked for.
define install
	@found=; for python in "$${PYTHON:-python3}" python3.14 python3.13 python3.12 python3.11; do \
	  if "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then found=$$python; break; fi; \
	done; \
	if [ -z "$$found" ]; then \
	  echo "grantbook: Python 3.11 or newer is needed, and $${PYTHON:-python3} is older or missing: install it, or name one with PYTHON=... make." >&2; exit 1; \
	fi; \
	"$$found" -I requirements/install.py $(1)
endef

help:
	@echo "make demo          a running Grantbook on http://localhost:8000 with an account, users and an MCP server to try"
	@echo "make test          the whole test suite (TESTS=... chooses)"
	@echo "make lint          ruff, mypy and the import contracts"
	@echo "make bench         a short benchmark of this machine"
	@echo "make docs          write docs/command-line.md from the commands' own help"
	@echo "make requirements  lock requirements/*.in again (UPGRADE=1 for the newest releases)"
	@echo "make clean         remove what make has installed; the demo's data in .grantbook stays"

demo:
	$(call install,demo)
	@exec .venv/bin/grantbook demo $(ARGS)

dev:
	$(call install,dev)

test: dev
	@.venv/bin/python requirements/test_tools.py
	@exec .venv/bin/python -m pytest $(TESTS)

lint: dev
	.venv/bin/python -m ruff check .
	.venv/bin/python -m ruff format --check .
	.venv/bin/python -m mypy
	.venv/bin/python -c 'from importlinter.cli import lint_imports_command as lint; lint()'
	@.venv/bin/python -m tests.architecture.test_sizes

bench: dev
	@exec .venv/bin/python -m bench $(ARGS)

docs: dev
	@exec .venv/bin/python -m tests.architecture.command_line

requirements: dev
	@cd requirements && for file in uv base demo otel dev; do \
	  ../.venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --no-emit-find-links \
	    $${UPGRADE:+--upgrade} "$$file.in" -o "$$file.txt" || exit 1; \
	done

clean:
	rm -rf .venv .stamps .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis build dist *.egg-info tests/node/node_modules bench/out
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
