# Everything happens in .venv; the stamps in it say which extras are installed, so a second call is instant.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
DEMO := demo

.PHONY: demo test check fuzz bench browser clean

demo: $(VENV)/installed-demo
	$(BIN)/nucleusnet simulate $(DEMO)/stitched --images 24 --size 3000 --seed 0
	$(BIN)/nucleusnet build $(DEMO)/stitched --out $(DEMO)/nucleusnet --pixels-per-um 8.0453 --overwrite
	$(BIN)/python nucleusnet_dataset.py $(DEMO)/nucleusnet --n 1000 --out $(DEMO)/nucleusnet-sample.png --overwrite
	@echo
	@echo "The sample is in $(DEMO)/nucleusnet-sample.png. What to try next:"
	@echo "  $(BIN)/nucleusnet verify $(DEMO)/nucleusnet"
	@echo "  $(BIN)/nucleusnet sample $(DEMO)/nucleusnet --n 100 --seed 1 --out $(DEMO)/another-sample.png"
	@echo "  $(BIN)/nucleusnet stats $(DEMO)/nucleusnet"
	@echo "  make browser && $(BIN)/python -m pip install -c constraints.txt -e '.[browse]' && $(BIN)/nucleusnet browse $(DEMO)/nucleusnet"

# Within three minutes on two cores: what to run before every commit.
check: $(VENV)/installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -n logical --dist loadfile -m "not slow"

# Everything, within 25 minutes on two cores.
test: $(VENV)/installed-test browser
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -n logical --dist loadfile

# Hostile inputs of fixed seeds for ten minutes; a slice of the same is in `make test`.
fuzz: $(VENV)/installed-test
	$(BIN)/python -m tests.fuzz 600

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
	$(PYTHON) -c 'import sys; sys.exit("This is Python " + sys.version.split()[0] + "; Python 3.11 or newer is needed. Set PYTHON.") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip

$(VENV)/installed-demo: $(BIN)/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[build,torch]"
	touch $@

$(VENV)/installed-test: $(BIN)/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[dev]"
	touch $@
