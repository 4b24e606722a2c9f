# Everything runs in .venv; every target makes it where it is needed.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
FETAL_PLANES_DIR ?=
SONONET_DIR ?=
# Width over height of one pixel: 1.45 for copies that were stretched to squares of 320×320, see docs/data-video.md.
PIXEL_ASPECT ?= 1

.PHONY: install mediapipe demo fetal-planes fetal-planes-sononet evidence test test-fast fuzz soak lint docs bench web clean

install: .venv/.installed

# Installed again when the requirements or the packages change; the stamp is touched last, so that an interrupted
# installation is repeated. --no-deps: the requirements are there already.
.venv/.installed: requirements.txt pyproject.toml
	$(PYTHON) -m venv .venv
	$(PIP) install -r requirements.txt
	$(PIP) install --no-deps --editable .
	@touch $@

.venv/.installed-dev: .venv/.installed requirements-dev.txt requirements-study.txt
	$(PIP) install -r requirements.txt -r requirements-dev.txt -r requirements-study.txt
	@touch $@

# What runs studies; results are read without it.
.venv/.installed-study: .venv/.installed requirements-study.txt
	$(PIP) install -r requirements.txt -r requirements-study.txt
	@touch $@

# What the benchmarks compare with.
.venv/.installed-bench: .venv/.installed-dev requirements-bench.txt
	$(PIP) install -r requirements.txt -r requirements-dev.txt -r requirements-bench.txt
	@touch $@

# MediaPipe can't be installed together with TF-MOT, see requirements-mediapipe.txt; its tests run where MEDIAPIPE_PYTHON names
# an environment that has it.
mediapipe: .venv-mediapipe/.installed

.venv-mediapipe/.installed: requirements-mediapipe.txt
	$(PYTHON) -m venv .venv-mediapipe
	.venv-mediapipe/bin/python -m pip --quiet --disable-pip-version-check install -r requirements-mediapipe.txt
	@touch $@

# Simulated again when the generator's version has changed.
datasets/phantom: phantom/version.py | .venv/.installed
	$(BIN)/python prepare.py phantom --out $@ --frame-size 96 128 --patients 240 --fps 2.5 --keep-fps 1.25 --seed 0 --overwrite

# Ends with a recording of a patient of the test split, whose picture is the ultrasound image alone.
demo: .venv/.installed datasets/phantom
	$(BIN)/python train.py --config configs/demo.yaml
	$(BIN)/python predict.py runs/demo/int8/student_int8.tflite datasets/phantom/recordings/video/r00004.mkv \
		--crop none --video --attention --frames --out runs/demo/prediction --overwrite

datasets/fetal_planes: | .venv/.installed
	@test -n "$(FETAL_PLANES_DIR)" || { echo "error: FETAL_PLANES_DIR is not set: FETAL_PLANES_DIR=folder make fetal-planes, where the folder holds FETAL_PLANES_DB_data.csv and Images/" >&2; exit 2; }
	$(BIN)/python prepare.py fetal-planes "$(FETAL_PLANES_DIR)" --out $@ --frame-size 112 144 --pixel-aspect $(PIXEL_ASPECT)

fetal-planes: .venv/.installed datasets/fetal_planes
	$(BIN)/python train.py --config configs/fetal_planes.yaml

fetal-planes-sononet: .venv/.installed datasets/fetal_planes
	@test -n "$(SONONET_DIR)" || { echo "error: SONONET_DIR is not set: SONONET_DIR=folder make fetal-planes-sononet, where the folder holds the authors' SonoNet16.npz" >&2; exit 2; }
	$(BIN)/python train.py --config configs/fetal_planes_sononet.yaml --pretrained "$(SONONET_DIR)/SonoNet16.npz"

# The study of docs/evidence.md on a small phantom, and the page's tables and figure from the stored results.
evidence: .venv/.installed-study
	$(BIN)/python study.py run --config configs/evidence_ci.yaml --cores 2
	$(BIN)/python study.py store --config configs/evidence_ci.yaml --out runs/evidence_ci/stored
	$(BIN)/python study.py evidence --stored runs/evidence_ci/stored/patients_8 --picture runs/evidence_ci/evidence.png
	$(BIN)/python study.py evidence --page docs/evidence.md --picture docs/evidence.svg

test: .venv/.installed-dev
	$(BIN)/python -m pytest -n 2 --dist loadgroup

# While one works: what needs no training. Under 90 seconds on two cores.
test-fast: .venv/.installed-dev
	$(BIN)/python -m pytest -n 2 --dist loadgroup -m "not slow" tests/common tests/losses tests/test_structure.py \
		tests/data/test_gaze_formats.py tests/data/test_manifest.py tests/data/test_saliency.py tests/data/test_splits.py

# Random malformed input for as long as FUZZ_MINUTES says; `make test` holds a short run with a fixed seed.
FUZZ_MINUTES ?= 10
fuzz: .venv/.installed-dev
	FUZZ_MINUTES=$(FUZZ_MINUTES) $(BIN)/python -m pytest -m "" tests/fuzz

# Every command is killed at random moments and before every rename, and has to come to the same end. About ten minutes.
soak: .venv/.installed-dev
	$(BIN)/python -m pytest -m soak -rP tests/soak

lint: .venv/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mkdocs build --quiet --strict

docs: .venv/.installed-dev
	$(BIN)/mkdocs build --strict

# Speed and memory, part by part; what runs/bench has is not repeated. The other benchmarks take a folder of real images
# or a trained run: see their --help.
bench: .venv/.installed-bench
	$(BIN)/python benchmarks/every.py --out runs/bench

# The browser page, in web/dist. WEB_MODELS: what it offers in its list, bundles of export.py or .tflite files with their .json.
WEB_MODELS ?= $(or $(wildcard bundles/*),$(wildcard runs/demo/int8/student_int8.tflite))
web: web/node_modules/.installed
	npm --prefix web run --silent check
	node web/build.mjs $(WEB_MODELS)

web/node_modules/.installed: web/package.json web/package-lock.json
	@command -v npm >/dev/null || { echo "error: npm is not installed: the page is built by Node.js 20 or later (apt install npm)" >&2; exit 2; }
	npm --prefix web ci --silent
	@touch $@

# What can be made again in minutes. datasets and runs stay: they hold what took hours, and what is yours.
clean:
	rm -rf .venv .venv-mediapipe site .mypy_cache web/dist web/node_modules
