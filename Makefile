# Every target sets up what it needs in a virtual environment of its own.
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
# Tests run in so many processes; each is one core busy, and about 3 GiB.
PROCESSES ?= 2
CODE := tfpipeline tests benchmarks notebooks

.PHONY: demo test lint clean

demo: $(VENV)/installed  ## train on the embedded default
	$(RUN) -m tfpipeline.train --workdir runs/demo --overwrite true

test: $(VENV)/developed  ## run every test
	$(RUN) -m pytest -n $(PROCESSES) --dist worksteal

lint: $(VENV)/developed  ## check format, imports, style and types
	$(RUN) -m black --quiet --check $(CODE)
	$(RUN) -m isort --quiet --check $(CODE)
	$(RUN) -m flake8 $(CODE)
	$(RUN) -m mypy

clean:  ## remove what the targets above have made
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .hypothesis .coverage
	find tfpipeline tests -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/installed: setup.cfg pyproject.toml
	test -x $(RUN) || $(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet --disable-pip-version-check --editable .
	touch $@

$(VENV)/developed: setup.cfg pyproject.toml
	test -x $(RUN) || $(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@ $(VENV)/installed
