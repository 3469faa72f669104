# Everything a newcomer needs is `make report` and `make test`; both set up what they need.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
TOOLS := $(VENV)/.tools
INFINITY := build/engines/infinity-0.0.78
INFINITY_ONNX := build/engines/infinity-optimum
LLAMA_CPP := build/engines/llama-cpp
export HF_HUB_OFFLINE ?= 1
export TOKENIZERS_PARALLELISM ?= false

.DEFAULT_GOAL := help

.PHONY: help
help:  ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: report
report: $(READY)  ## Answer for the German set: write report/index.html, its chapters and figures
	$(BIN)/rerank-precision report

.PHONY: test
test: $(TOOLS) browser  ## Run every test, a file per core at a time; then those that measure a cost
	$(BIN)/python -m pytest --numprocesses=logical --dist=loadfile --no-loadscope-reorder -m "not alone"
	$(BIN)/python -m pytest -m alone

.PHONY: test-wheel
test-wheel: $(TOOLS)  ## Test the wheel in an environment of its own
	RERANK_PRECISION_WHEEL=1 $(BIN)/python -m pytest tests/test_wheel.py

.PHONY: test-engines
test-engines: $(TOOLS) $(INFINITY)/.ready $(INFINITY_ONNX)/.ready $(LLAMA_CPP)/.ready  ## Audit real servers: Infinity in two dtypes and in int8, llama.cpp
	RERANK_PRECISION_INFINITY=$(abspath $(INFINITY)/bin/infinity_emb) \
	RERANK_PRECISION_INFINITY_ONNX=$(abspath $(INFINITY_ONNX)) \
	RERANK_PRECISION_LLAMA_CPP=$(LLAMA_CPP)/bin/python \
	  $(BIN)/python -m pytest tests/test_engines_live.py

$(LLAMA_CPP)/.ready: tools/engines/llama-cpp.txt
	test -x $(@D)/bin/python || $(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --no-deps --requirement $<
	touch $@

AUDIT := build/audit

.PHONY: audit-dependencies
audit-dependencies: $(AUDIT)/.ready  ## Ask PyPI which known vulnerabilities the locked versions have
	$(AUDIT)/bin/python tools/audit_dependencies.py constraints.txt

$(AUDIT)/.ready: tools/audit/requirements.txt
	test -x $(@D)/bin/python || $(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --no-deps --requirement $<
	touch $@

.PHONY: lab
lab: $(READY)  ## Open the notebooks in JupyterLab
	$(BIN)/jupyter lab notebooks

.PHONY: dashboard
dashboard: $(TOOLS)  ## Show notebook 3 with its view as a page beside a kernel, in Voilà
	$(BIN)/voila notebooks/03_rerank_dtype_toggle.ipynb

.PHONY: notebooks
notebooks: $(READY)  ## Run the notebooks and keep their outputs in notebooks/
	$(BIN)/python tools/renew_committed.py notebooks

.PHONY: figures
figures: $(READY)  ## Run the notebooks and renew figures/, but for those that show timings
	$(BIN)/python tools/renew_committed.py figures

.PHONY: check
check: $(READY)  ## Compare the committed notebooks and figures with a fresh run
	$(BIN)/python tools/check_committed.py

.PHONY: lint
lint: $(TOOLS)  ## Check style, format and spelling
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell

.PHONY: model
model: $(TOOLS)  ## Train the demo reranker again (under three hours; goes on where it was cut)
	$(BIN)/python tools/train_demo_reranker.py
	$(BIN)/python tools/soften_demo_reranker.py
	$(BIN)/python tools/evaluate_demo_reranker.py

.PHONY: yes-no
yes-no: $(TOOLS)  ## Train the yes/no demo again, record and measure it (under an hour; goes on where it was cut)
	$(BIN)/python tools/train_yes_no_reranker.py
	$(BIN)/python tools/evaluate_yes_no_reranker.py

ENGINES := build/engines
ENGINES_READY := $(patsubst tools/engines/requirements/%.txt,$(ENGINES)/%/.ready,$(wildcard tools/engines/requirements/*.txt)) \
  $(patsubst tools/engines/overlays/%.txt,$(ENGINES)/%/.ready,$(wildcard tools/engines/overlays/*.txt))

.PHONY: engines
engines: $(READY) $(ENGINES_READY)  ## Record real engines again (maintainers; gigabytes, an hour)
	$(BIN)/python tools/read_disable_half.py
	$(BIN)/python tools/record_engines.py

.PHONY: formats
formats: $(TOOLS) $(LLAMA_CPP)/.ready $(ENGINES)/torchao-0.18.0/.ready  ## Record every forward format again (maintainers; an hour), then time them
	$(BIN)/python tools/record_formats.py
	$(BIN)/python tools/record_formats.py --times

# Torch comes first and with what it needs; then only what is listed, since some engines pin more.
$(ENGINES)/%/.ready: tools/engines/requirements/%.txt
	test -x $(@D)/bin/python || $(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet "$$(grep '^torch==' $<)"
	$(@D)/bin/python -m pip install --quiet --no-deps --requirement $<
	touch $@

$(ENGINES)/%/.ready: tools/engines/overlays/%.txt
	$(BIN)/python -m pip install --quiet --no-deps --upgrade --target $(@D) --requirement $<
	touch $@

GPU := build/gpu

.PHONY: gpu
gpu: $(GPU)/.ready  ## Record the German set on a CUDA device (ten minutes; goes on where it was cut)
	PYTHONPATH=. $(GPU)/bin/python tools/record_gpu.py

$(GPU)/.ready: tools/gpu/requirements.txt
	test -x $(@D)/bin/python || $(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --requirement $<
	touch $@

.PHONY: docs
docs: $(VENV)/.docs  ## Build the documentation, build/docs/index.html; it needs no network when read
	$(BIN)/python tools/build_docs.py

$(VENV)/.docs: $(READY)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[docs]'
	touch $@

.PHONY: pictures
pictures: $(TOOLS) browser  ## Photograph the pages of report/ for the documentation: docs/pictures/
	$(BIN)/python tools/pictures.py

.PHONY: holdouts
holdouts: $(READY)  ## Record the holdouts of compare again (maintainers; minutes)
	$(BIN)/python tools/record_holdouts.py

.PHONY: simulate
simulate: $(READY)  ## Count wrong answers of compare and of the fingerprint over simulated scores; hours
	OMP_NUM_THREADS=1 $(BIN)/python tools/simulate_comparisons.py
	OMP_NUM_THREADS=1 $(BIN)/python tools/simulate.py

.PHONY: scale
scale: $(TOOLS)  ## Measure memory and time of what is larger than memory: docs/scale.md (an hour)
	OMP_NUM_THREADS=1 $(BIN)/python tools/measure_streams.py

.PHONY: cluster
cluster: $(TOOLS)  ## Measure a Ray cluster of this machine, simulate larger ones: docs/scale.md (minutes)
	OMP_NUM_THREADS=1 $(BIN)/python tools/measure_cluster.py

.PHONY: torture
torture: $(TOOLS)  ## Count what goes wrong under kills, damage, full disks and generated inputs; long
	OMP_NUM_THREADS=1 $(BIN)/python tools/torture

PEERS := sentence-transformers-6.2.0 haystack-2.31.0 infinity-0.0.78

.PHONY: bench
bench: $(TOOLS) browser $(PEERS:%=$(ENGINES)/%/.ready)  ## Time scoring, measures, report and view beside what others use: bench/README.md
	$(BIN)/python bench/run.py $(PARTS)

.PHONY: lock
lock: $(TOOLS) $(VENV)/.docs  ## Write the lists of versions from the environment as it is
	$(BIN)/python tools/lock.py

.PHONY: clean
clean:  ## Remove the environment, caches and the report
	rm -rf $(VENV) .cache build report .pytest_cache .ruff_cache .hypothesis

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable .
	touch $@

# What only tests and maintainers need: a report does not wait for it.
$(TOOLS): $(READY)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev,ray,runtimes]'
	touch $@

.PHONY: browser
browser:
	@sh tools/install_browser.sh
