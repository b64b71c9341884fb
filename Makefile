# Everything that must hold before a change is kept. `make test` is what continuous integration runs.

CARGO ?= cargo
PYTHON ?= python3
VENV := .venv

.PHONY: test format lint unit documentation checker-alone scripts python clean

test: format lint unit documentation checker-alone scripts python
	@echo "all tests passed"

format:
	$(CARGO) fmt --all --check

lint:
	$(CARGO) clippy --workspace --all-targets -- -D warnings

unit:
	$(CARGO) test --workspace

documentation:
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps

# The checker is trusted, so it must be readable whole: it depends on nothing.
checker-alone:
	@lines=$$($(CARGO) tree -p checker | wc -l); test "$$lines" -eq 1 || { echo "the checker has dependencies:"; $(CARGO) tree -p checker; exit 1; }

# Comparisons with onnxruntime, an independent second opinion.
scripts: $(VENV)/ready
	$(CARGO) build --package ironbound
	IRONBOUND=target/debug/ironbound $(VENV)/bin/python -m unittest discover --start-directory scripts --pattern 'test_*.py'

$(VENV)/ready: scripts/requirements.txt
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --requirement scripts/requirements.txt
	touch $@

# The Python package: its wheel, installed and tested in an environment of its own.
python:
	PYTHON=$(PYTHON) python/test.sh

clean:
	$(CARGO) clean
	rm -rf $(VENV) .venv-python
