# Everything happens in .venv; the stamps in it say which extras are installed, so a second call is instant.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
DEMO := demo

.PHONY: demo test bench browser clean

demo: $(VENV)/installed-demo
	test -d $(DEMO)/stitched || $(BIN)/nucleusnet simulate $(DEMO)/stitched --images 24 --size 3000 --seed 0
	$(BIN)/nucleusnet build $(DEMO)/stitched --out $(DEMO)/nucleusnet --overwrite
	$(BIN)/python nucleusnet_dataset.py --source $(DEMO)/nucleusnet --n 1000 --out $(DEMO)/nucleusnet-sample.png

test: $(VENV)/installed-test browser
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest

# Third-party JavaScript of the pages, as locked in browser/package-lock.json; needs npm.
VENDOR := browser/static/vendor/LICENSES.txt
browser: $(VENDOR)

$(VENDOR): browser/package-lock.json browser/vendor.mjs
	cd browser && npm ci && npm run vendor

bench: $(VENV)/installed-test
	$(BIN)/python benchmarks/build.py
	$(BIN)/python benchmarks/loaders.py

clean:
	rm -rf $(VENV) $(DEMO) browser/node_modules browser/static/vendor build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, found " + sys.version) if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip

$(VENV)/installed-demo: $(BIN)/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[build,torch]"
	touch $@

$(VENV)/installed-test: $(BIN)/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[dev]"
	touch $@
