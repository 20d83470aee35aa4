# `make` alone prints what can be made. Every target sets up what it needs, in .venv, with plain pip.
PYTHON ?= python3
VENV ?= .venv
BIN := $(CURDIR)/$(VENV)/bin
export PATH := $(BIN):$(PATH)
export DVC_NO_ANALYTICS := 1
RESULTS := data.dvc dvc.lock runs figures docs/rendered

.PHONY: help setup reproduce test verify data lint clean

help:                   ## print this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## */\t/'

setup: $(VENV)/.done    ## install the tested versions into .venv

$(VENV)/.done: pyproject.toml requirements.txt constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "semdf needs Python 3.11 or newer, found $$($(PYTHON) --version); say which with make PYTHON=..."; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --disable-pip-version-check -r requirements.txt
	touch $@

reproduce: setup        ## bring every result up to date from the embedded data
	dvc repro --pull
	@echo
	@echo "Results: figures/ (tables and figures), docs/rendered/ (executed notebooks), runs/ (curves, weights)."
	@python -c "import pandas as pd; print(pd.read_csv('figures/auc.csv').round(3).to_string(index=False))"

test: setup             ## run all tests
	dvc pull -q data.dvc
	python -m pytest

verify: setup           ## recompute everything and compare with the committed results, bit for bit
	rm -rf scratch logs
	dvc pull -q data.dvc
	dvc repro --force
	git diff --exit-code -- $(RESULTS)
	@test -z "$$(git status --porcelain -- $(RESULTS))" && echo "verified: equal to what is committed"

data: setup             ## render the embedded data anew (needs the extra `people`; minutes)
	python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[people]'
	python -m semdf.people.benchmarks --out data --seed 0
	dvc status data.dvc

lint: setup             ## check the style
	ruff check .
	ruff format --check .

clean:                  ## remove what interrupted or hand-run work left
	rm -rf scratch logs .pytest_cache
