# Thin: each target is the public commands in a row, printed before they run.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
DEMO := outputs/demo
# On a machine without an NVIDIA driver pip would fetch gigabytes of CUDA: hold torch to the version
# of constraints.txt, of which a CPU build is at hand; elsewhere the newest that fits is taken.

.PHONY: env demo test lint clean-demo

env: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -c constraints.txt torch
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[test]"
	touch $@

demo: env
	$(eval STARTED := $(shell date +%s))
	$(BIN)/python -m preprocess source=demo out=data/demo
	$(BIN)/python train.py experiment=demo_syncnet run_dir=$(DEMO)/expert
	$(BIN)/python train.py experiment=demo_syncnet seed=1 run_dir=$(DEMO)/judge
	$(BIN)/python train.py experiment=demo_wav2lip expert=$(DEMO)/expert/checkpoints/last.ckpt run_dir=$(DEMO)/generator
	$(BIN)/python infer.py face=data/demo/videos/s1/test1.mp4 audio=data/demo/videos/s2/test1.mp4 checkpoint=$(DEMO)/generator/checkpoints/last.ckpt pads=[0,0,0,0] outfile=$(DEMO)/synced.mp4
	$(BIN)/python evaluate.py video=$(DEMO)/synced.mp4 expert=$(DEMO)/judge/checkpoints/last.ckpt output=$(DEMO)/scores.json
	$(BIN)/python -m evaluation benchmark=demo data_root=data/demo checkpoint=$(DEMO)/generator/checkpoints/last.ckpt expert=$(DEMO)/expert/checkpoints/last.ckpt judge=$(DEMO)/judge/checkpoints/last.ckpt out=$(DEMO) started=$(STARTED)

# A crashed worker ends the run: put back to work, the last tests are sometimes waited for for ever.
test: env
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist worksteal --max-worker-restart=0

lint: env
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

clean-demo:
	rm -rf data/demo $(DEMO)
