# `make` alone prints what can be made. Every target sets up what it needs, in .venv, with plain pip.
PYTHON ?= python3
VENV ?= .venv
BIN := $(CURDIR)/$(VENV)/bin
export PATH := $(BIN):$(PATH)
export DVC_NO_ANALYTICS := 1
# workers of `make test`; 0 runs all tests in one process
WORKERS ?= 2
# what `make versions` installs: oldest (the lower bounds), newest, or tested (constraints.txt); and which tests it runs
VERSIONS ?= oldest
TESTS ?= tests notebooks
OTHER := $(CURDIR)/.venv-$(VERSIONS)/bin
RESULTS := data.dvc dvc.lock runs figures pretrained ablations docs/rendered
STORED := data.dvc parser pretrain ablate

.PHONY: help setup reproduce test versions lock fuzz verify lab editions site serve data benchmark lint hooks clean

help:                   ## print this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## */\t/'

setup: $(VENV)/.done    ## install the tested versions into .venv

$(VENV)/.done: pyproject.toml requirements.txt constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "semdf needs Python 3.11 or newer, found $$($(PYTHON) --version); say which with make PYTHON=..."; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --disable-pip-version-check -r requirements.txt
	touch $@

reproduce: setup        ## bring every result up to date from the embedded data; print results and times
	@python -m semdf.pipeline.reproduce

test: setup             ## run all tests
	dvc pull -q $(STORED)
	python $(WITH) -m pytest -n $(WORKERS)

versions:               ## run the tests with the oldest versions of all dependencies, or VERSIONS=newest, VERSIONS=tested
	$(PYTHON) -m venv .venv-$(VERSIONS)
	mkdir -p scratch
	$(OTHER)/python -m pip install -q --disable-pip-version-check packaging
	$(OTHER)/python tests/versions.py $(VERSIONS) > scratch/$(VERSIONS).txt
	$(OTHER)/python -m pip install -q --disable-pip-version-check -c scratch/$(VERSIONS).txt -e '.[pipeline,test]'
	PATH="$(OTHER):$$PATH" dvc pull -q $(STORED)
	PATH="$(OTHER):$$PATH" python -m pytest -n $(WORKERS) $(TESTS)

lock: setup             ## write the lock file, with a hash for every file of the tested versions
	python -m pip install -q --disable-pip-version-check pip-tools
	mkdir -p scratch
	python -m piptools compile -q --generate-hashes --strip-extras --allow-unsafe --no-header --no-annotate \
	  --no-emit-index-url --no-emit-trusted-host --no-emit-find-links -c constraints.txt \
	  --extra pipeline --extra test -o scratch/requirements.lock pyproject.toml
	{ sed -n '/^#/p;/^#/!q' requirements.lock; grep -v '^#' scratch/requirements.lock; } > scratch/lock && mv scratch/lock requirements.lock

fuzz: setup             ## 28,000 mutated inputs instead of 1120 and others each time, and more kills of DVC (20 minutes)
	dvc pull -q data.dvc
	HYPOTHESIS_PROFILE=nightly python -m pytest tests/across/test_fuzz.py tests/pipeline/test_kill_dvc.py

verify: setup           ## recompute everything and compare with the committed results, bit for bit
	rm -rf scratch logs
	dvc pull -q $(STORED)
	@python -m semdf.pipeline.reproduce --force
	git diff --exit-code -- $(RESULTS)
	@test -z "$$(git status --porcelain -- $(RESULTS))" && echo "verified: equal to what is committed"

lab: setup              ## open the notebooks in JupyterLab
	jupyter lab notebooks/00_tour.ipynb

editions: setup         ## write the notebooks without and with the solutions of their exercises
	python -m semdf.pipeline.editions --out scratch/editions

site: setup             ## build the site from the executed notebooks (needs the extra `site`; three minutes)
	python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[site]'
	python docs/site/build.py --run

serve:                  ## show the site at http://localhost:8000
	@test -f scratch/site/html/index.html || { echo "no site yet: make site"; exit 1; }
	$(PYTHON) -m http.server 8000 --bind localhost --directory scratch/site/html

data: setup             ## render the embedded data anew (needs the extra `people`; half an hour)
	python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[people]'
	dvc get -q --force . data --out scratch/shipped
	python -m people.benchmarks.build --out data --seed 0
	-dvc status data.dvc
	python -m people.audit.compare data scratch/shipped

benchmark: setup        ## measure steps, inference, data and evaluation, beside the released way (alone on the machine, an hour)
	python -m benchmarks.step --batch 8
	python -m benchmarks.step --batch 32 --warmup 1 --repeats 2
	python -m benchmarks.inference
	python -m benchmarks.extraction
	python -m benchmarks.expansion
	python -m benchmarks.donors
	python -m benchmarks.rates
	python -m benchmarks.streaming
	python -m benchmarks.evaluation
	python -m benchmarks.norms
	python -m benchmarks.figure
	python -m benchmarks.scale

lint: setup             ## check style and types
	ruff check .
	ruff format --check .
	mypy

hooks: setup            ## check every commit: ruff, and notebook sources without outputs
	pre-commit install

clean:                  ## remove what interrupted or hand-run work left
	rm -rf scratch logs .pytest_cache
