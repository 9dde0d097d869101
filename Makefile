# Thin: each target is the public commands in a row, printed before they run.
#   make env       a virtual environment in .venv with everything that the commands and tests need
#   make demo      real people at once, by the networks that come with w2l; then the whole path, from
#                  making a small set to training on it; ends with a report
#   make test      every number and every behaviour
#   make test-all  also the long ways round: README as processes, sweeps, a browser, DDP, Ray, kills
#   make mutants   one-line mistakes, made in a copy, each of which a test must notice
#   make lint      style and types
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
DEMO := outputs/demo
EXAMPLES := src/w2l/examples

.PHONY: env demo test test-all mutants lint clean-demo

env: $(VENV)/.installed

# torch first and held to the tested version: where there is no NVIDIA driver, another one may bring
# gigabytes of CUDA along. uv installs the rest in a quarter of the time; it does not read pip's own
# settings (a mirror, say), so that pip has the last word.
$(VENV)/.installed: pyproject.toml constraints.txt
	@echo "Making $(VENV): torch, then w2l and what its tests need (one to two minutes)"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip uv
	$(BIN)/python -m pip install --quiet -c constraints.txt torch
	-$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python -c constraints.txt -e ".[test]"
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[test]"
	touch $@

demo: env
	$(eval STARTED := $(shell date +%s))
	$(BIN)/python infer.py face=$(EXAMPLES)/grid_s34_bbab9n.mp4 audio=$(EXAMPLES)/grid_s3_sbia1a.mp4 checkpoint=wav2lip_small outfile=$(DEMO)/real/result.mp4
	$(BIN)/python evaluate.py video=$(DEMO)/real/result.mp4 syncnet=none output=$(DEMO)/real/scores.json
	$(BIN)/python -m evaluation show=[$(EXAMPLES)/grid_s34_bbab9n.mp4,$(DEMO)/real/result.mp4] out=$(DEMO)/real
	$(BIN)/python -m preprocess source=demo out=data/demo
	$(BIN)/python train.py experiment=demo_syncnet run_dir=$(DEMO)/expert overwrite=true
	$(BIN)/python train.py experiment=demo_syncnet seed=1 run_dir=$(DEMO)/judge overwrite=true
	$(BIN)/python train.py experiment=demo_wav2lip expert=$(DEMO)/expert/checkpoints/last.ckpt run_dir=$(DEMO)/generator overwrite=true
	$(BIN)/python infer.py face=data/demo/videos/s1/test1.mp4 audio=data/demo/videos/s2/test1.mp4 checkpoint=$(DEMO)/generator/checkpoints/last.ckpt outfile=$(DEMO)/synced.mp4
	$(BIN)/python evaluate.py video=$(DEMO)/synced.mp4 expert=$(DEMO)/judge/checkpoints/last.ckpt output=$(DEMO)/scores.json
	$(BIN)/python -m evaluation benchmark=demo data_root=data/demo checkpoint=$(DEMO)/generator/checkpoints/last.ckpt expert=$(DEMO)/expert/checkpoints/last.ckpt judge=$(DEMO)/judge/checkpoints/last.ckpt out=$(DEMO) started=$(STARTED)

# A crashed worker ends the run: put back to work, the last tests are sometimes waited for for ever.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist worksteal --max-worker-restart=0

test: env
	$(PYTEST) -m "not long"

test-all: env
	$(PYTEST)

# One-line mistakes, made in a copy: each must turn its test red (docs/porting.md).
mutants: env
	$(BIN)/python scripts/mutants.py

lint: env
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

clean-demo:
	rm -rf data/demo $(DEMO)
