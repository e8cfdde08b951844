PYTHON ?= .venv/bin/python

.PHONY: test lint types check docs bench proofs

test:
	$(PYTHON) -m pytest -q -n 2

lint:
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .

types:
	$(PYTHON) -m mypy

check: lint types test

docs:
	$(PYTHON) -m sphinx -W --keep-going -q -b html docs docs/_build/html

bench:
	$(PYTHON) benchmarks/import_time.py
	$(PYTHON) benchmarks/loop.py
	$(PYTHON) benchmarks/tabular.py
	$(PYTHON) benchmarks/compiled.py
	$(PYTHON) benchmarks/buffers.py
	$(PYTHON) benchmarks/games.py
	$(PYTHON) benchmarks/densities.py
	$(PYTHON) benchmarks/returns.py
	$(PYTHON) benchmarks/networks.py
	$(PYTHON) benchmarks/dqn_throughput.py
	$(PYTHON) benchmarks/dqn_wall_clock.py

proofs:
	$(PYTHON) -m pytest -q -m proof
	$(PYTHON) benchmarks/proofs.py
