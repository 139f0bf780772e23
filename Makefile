# Every target makes what it needs from Python 3.10-3.12, make and a package registry.
PYTHON ?= python3.11
IMAGE ?=
OUT ?= demo
export IMAGE OUT  # the shell, not make, puts them into commands: names may have quotes
V := .venvs
UV := $(V)/uv/bin/uv
BASE := $(V)/base/bin
DEV := $(V)/dev/bin
INSTALL := $(UV) pip install --quiet --constraint constraints.txt

.PHONY: demo test lint bundle lock clean help

help:  ## Show the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

$(UV):
	@$(PYTHON) --version >/dev/null 2>&1 || { echo "Python 3.11 is needed: make PYTHON=/path/to/python3.11"; exit 2; }
	$(PYTHON) -m venv $(V)/uv
	$(V)/uv/bin/pip install --quiet --disable-pip-version-check uv

$(BASE)/.ready: pyproject.toml constraints.txt | $(UV)
	$(UV) venv --quiet --seed --allow-existing --python $(PYTHON) $(V)/base
	$(INSTALL) --python $(V)/base --editable .
	@touch $@

$(DEV)/.ready: pyproject.toml constraints.txt | $(UV)
	$(UV) venv --quiet --seed --allow-existing --python $(PYTHON) $(V)/dev
	$(INSTALL) --python $(V)/dev --editable '.[all,dev]'
	@touch $@

demo: $(BASE)/.ready  ## Assess synthetic lesions, or IMAGE=photo.jpg; pictures go to OUT=demo
	$(BASE)/skintriage demo $${IMAGE:+--image "$$IMAGE"} --out "$$OUT"

test: $(DEV)/.ready  ## Run all tests
	$(DEV)/python -m pytest --numprocesses logical --maxprocesses 4 --dist worksteal

lint: $(DEV)/.ready  ## ruff and mypy
	$(DEV)/ruff check .
	$(DEV)/ruff format --check .
	$(DEV)/mypy --strict -p mobile_runtime
	$(DEV)/mypy -p train -p compress -p export -p benchmarks

bundle: $(DEV)/.ready  ## Rebuild every variant of the default bundle into dist/bundle
	$(DEV)/python -m export rebuild --out dist/bundle

lock: | $(UV)  ## Pin versions again
	$(UV) pip compile --quiet --universal --python-version 3.10 --no-emit-index-url --no-annotate --no-header --all-extras --upgrade pyproject.toml --output-file constraints.txt

clean:  ## Remove environments and build products
	rm -rf $(V) dist build demo drift-report .hypothesis .pytest_cache .mypy_cache .ruff_cache
