# Everything runs in .venv; `make demo` and `make test` make it.
PYTHON ?= python3
BIN := .venv/bin
FETAL_PLANES_DIR ?=
SONONET_DIR ?=

.PHONY: demo fetal-planes fetal-planes-sononet test lint bench clean

# Made anew when the requirements change; a half-made one is never taken for a whole one.
.venv/.installed: requirements.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

.venv/.installed-dev: .venv/.installed requirements-dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

# Simulated anew when the generator's version has changed.
datasets/phantom: phantom/version.py | .venv/.installed
	$(BIN)/python prepare.py phantom --out $@ --frame-size 96 128 --patients 240 --fps 2.5 --keep-fps 1.25 --seed 0 --overwrite

demo: .venv/.installed datasets/phantom
	$(BIN)/python train.py --config configs/demo.yaml

datasets/fetal_planes: | .venv/.installed
	@test -n "$(FETAL_PLANES_DIR)" || { echo "error: FETAL_PLANES_DIR is not set: FETAL_PLANES_DIR=folder make fetal-planes, where the folder holds FETAL_PLANES_DB_data.csv and Images/" >&2; exit 2; }
	$(BIN)/python prepare.py fetal-planes "$(FETAL_PLANES_DIR)" --out $@ --frame-size 112 144

fetal-planes: .venv/.installed datasets/fetal_planes
	$(BIN)/python train.py --config configs/fetal_planes.yaml

fetal-planes-sononet: .venv/.installed datasets/fetal_planes
	@test -n "$(SONONET_DIR)" || { echo "error: SONONET_DIR is not set: SONONET_DIR=folder make fetal-planes-sononet, where the folder holds the authors' SonoNet16.npz" >&2; exit 2; }
	$(BIN)/python train.py --config configs/fetal_planes_sononet.yaml --pretrained "$(SONONET_DIR)/SonoNet16.npz"

test: .venv/.installed-dev
	$(BIN)/python -m pytest -n 2 --dist loadfile

lint: .venv/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# The others take a folder of real images or half an hour: see their --help.
bench: .venv/.installed
	@for script in benchmarks/inference.py benchmarks/phantom.py; do echo "== $$script"; $(BIN)/python $$script || exit 1; done

clean:
	rm -rf .venv datasets runs
