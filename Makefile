# make demo    a digit classifier, from nothing to a report
# make test    what must always hold (12 minutes on 2 cores at most)
# make test-faults, test-quality, benchmarks    the long campaigns; results in benchmarks/results
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin

.PHONY: demo test test-faults test-quality benchmarks install clean

$(BIN)/lamina: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[test]"
	@touch $@

install: $(BIN)/lamina

demo: $(BIN)/lamina
	$(BIN)/lamina train image-classification digits --minutes 0.5
	@echo
	@echo "Look at the report.html named above in a browser, then try your own pictures:"
	@echo "  $(BIN)/lamina sample image-classification my-photos    # shows the layout"
	@echo "  $(BIN)/lamina train image-classification my-photos --minutes 1"

test: $(BIN)/lamina
	$(BIN)/python -m pytest -n 2 -m "not faults and not quality"

test-faults: $(BIN)/lamina
	$(BIN)/python -m pytest -m faults -s

test-quality: $(BIN)/lamina
	$(BIN)/python -m pytest -m quality -s

benchmarks: $(BIN)/lamina
	for script in $(filter-out %/common.py %/tables.py,$(wildcard benchmarks/*.py)); do \
		$(BIN)/python $$script || exit 1; done
	$(BIN)/python benchmarks/tables.py

clean:
	rm -rf $(VENV) build dist src/*.egg-info
