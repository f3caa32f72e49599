# Everything runs in .venv, made with uv when it is installed and with python3 -m venv otherwise.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
LOCK := requirements/dev.lock
# Three keep two cores busy, as many tests wait for processes; 0 runs all in one process, as a debugger needs it.
WORKERS ?= 3
# A real part may need a core for itself, and the tests of one file share what they start.
REAL_WORKERS ?= 2

# Each of the hundreds of processes that the tests start would compile Hearth again.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-real fuzz check fix downloads bench lock clean

help: ## Show this list
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP) ## Make .venv with Hearth and its development tools

$(STAMP): pyproject.toml $(LOCK)
	@echo "Installing Hearth and its development tools in $(VENV), which takes a minute or two the first time"
	@if command -v uv >/dev/null 2>&1; then \
	  uv venv --quiet --allow-existing --python $(PYTHON) $(VENV) ; \
	else \
	  $(PYTHON) -m venv $(VENV) ; \
	fi
	@$(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "make: Hearth needs Python 3.11 or newer, and $(PYTHON) is $$($(BIN)/python -V); name another: make PYTHON=python3.12 ..." >&2; \
	  rm -rf $(VENV); exit 1; }
	@if command -v uv >/dev/null 2>&1; then \
	  uv pip install --quiet --compile-bytecode --python $(BIN)/python -r $(LOCK) && \
	  uv pip install --quiet --python $(BIN)/python --no-deps --editable . ; \
	else \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check -r $(LOCK) && \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable . ; \
	fi || { echo "make: not everything could be installed; the package index is asked over the network, and \`make setup\` tries again" >&2; exit 1; }
	@touch $(STAMP)

demo: $(STAMP) ## Index a repository (REPO=path, default this one) and watch Hearth work in it
	@$(BIN)/python -m benchmarks.demo $(if $(REPO),--repo "$(REPO)")

test: $(STAMP) ## Run the tests in WORKERS processes (default 3)
	@$(BIN)/python -m pytest -m "not real" --numprocesses $(WORKERS) --dist worksteal $(ARGS)

test-real: $(STAMP) ## Run the tests with heavy real parts (model server, editors) in REAL_WORKERS processes (default 2)
	@$(BIN)/python -m pytest -m real --numprocesses $(REAL_WORKERS) --dist loadfile $(ARGS)

fuzz: $(STAMP) ## Send the server random messages for MINUTES (default 10)
	@$(BIN)/python -m tests.fuzz $(MINUTES)

check: $(STAMP) ## Lint, types, import contracts, security, the editors' plugins
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@# Its warnings are about comments that one statement of several lines needs once.
	@$(BIN)/bandit -q -c pyproject.toml -r server indexer 2>/dev/null
	@$(BIN)/python requirements/audit.py
	@for script in editors/*/check.sh; do $$script || exit 1; done

fix: $(STAMP) ## Apply what ruff can mend by itself
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

downloads: ## Offer the VS Code extension, the Neovim plugin and Hearth itself on the server with the data directory DATA (needs Node.js)
	@test -n "$(DATA)" || { echo "make downloads: say which data directory it is, as DATA=/var/lib/hearth" >&2; exit 1; }
	@test -d "$(DATA)" || { echo "make downloads: there is no directory $(DATA); \`hearth doctor\` says where the data directory is" >&2; exit 1; }
	@editors/vscode/check.sh
	@cd editors/vscode && npm run --silent package
	@mkdir -p "$(DATA)/downloads"
	@cp editors/vscode/hearth.vsix "$(DATA)/downloads/hearth.vsix"
	@git archive --format=tar.gz --prefix=hearth.nvim/ --output="$(abspath $(DATA))/downloads/hearth.nvim.tar.gz" \
	  HEAD:editors/neovim doc lua README.md
	@if command -v uv >/dev/null 2>&1; then \
	  uv build --quiet --wheel --no-create-gitignore --out-dir "$(DATA)/downloads" . ; \
	else \
	  $(PYTHON) -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir "$(DATA)/downloads" . ; \
	fi
	@echo "The server's page Connect offers what is in $(DATA)/downloads:"; ls "$(DATA)/downloads"

bench: $(STAMP) ## Run the benchmarks and write JSON to benchmarks/results/
	@$(BIN)/python -m benchmarks.indexing
	@$(BIN)/python -m benchmarks.latency
	@$(BIN)/python -m benchmarks.freshness

lock: ## Resolve requirements/*.lock again (needs uv)
	@requirements/lock.sh

clean: ## Remove the virtual environment and caches
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache
