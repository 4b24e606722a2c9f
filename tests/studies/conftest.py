"""A study of the tiny data set, whose train.py and compress.py are stand-ins that take no time."""

import common.quiet  # noqa: F401  isort: skip

import copy
import dataclasses
import functools
import shutil
from pathlib import Path

import keras
import pytest

import models
import studies.collect
import studies.commands
import studies.speed
from common.files import sha256_of
from common.shown import shown_paths
from studies.declare import read_study
from studies.plan import choose, make_plan
from studies.records import Checksums
from studies.run import run_plan
from tests.evaluation.conftest import make_dataset, make_student, save_keras, save_tflite

# It takes a model from the shelf instead of training one: which one, the seed says.
STAND_IN = """
import os, shutil, sys, time
from pathlib import Path

words = sys.argv[1:]
value = lambda flag: words[words.index(flag) + 1] if flag in words else None
run, shelf = Path(value("--run") or value("--out")), Path(__file__).parent
with open(shelf / "calls.txt", "a") as calls:
    calls.write(" ".join([Path(__file__).stem, *words]) + "\\n")
if value("--student") == "sononet_4":
    print("error: --student sononet_4: the disk is full", file=sys.stderr)
    sys.exit(2)
if value("--student") == "sononet_8":
    raise KeyError("a traceback")
if value("--student") in ("mobilenet_v1", "mobilenet_v2"):  # each waits until the other one runs too
    (shelf / value("--student")).write_text(str(sorted(os.sched_getaffinity(0))))
    end = time.monotonic() + 20
    while not all((shelf / f"mobilenet_v{number}").exists() for number in (1, 2)):
        assert time.monotonic() < end, "alone"
        time.sleep(0.05)
print("epoch 1/1")
made = "out" if value("--out") else "teacher" if "[teacher]" in words else "student"
names = {"teacher": "teacher.keras", "student": "student.tflite", "out": "sparse.tflite"}
folder = run if made == "out" else run / made
folder.mkdir(parents=True, exist_ok=True)
kind = "keras" if made == "teacher" else "tflite"
for end in ("", ".json"):
    shutil.copy(shelf / f"model{value('--seed')}.{kind}{end}", folder / (names[made] + end))
"""

STUDY = """
runs: runs
seed: 0
datasets:
  tiny: {path: data}
tables:
  tiny:
    title: Tiny frames
    note: Frames of nothing in particular.
    data: tiny
    baseline: big
    reference: big
    target: {accuracy: 0.5, bytes: 100000}
    rows:
      big: {model: VGG-16, artefact: teacher/teacher.keras, train: {stages: [teacher], teacher: vgg16}}
      small:
        model: SqueezeNet
        transfer: soft targets
        form: 8-bit
        artefact: student/student.tflite
        train: {stages: [student], teacher-path: "{big}", student-options: {width: 0.2},
                distil.epochs: 3, seed: 1}
      sparse: {model: sparse SqueezeNet, artefact: sparse.tflite,
               compress: prune, source: "{small:student/student.tflite}", flags: {sparsity: [0.5]}}
      same: {model: SqueezeNet again, of: small, artefact: student/student.tflite}
      both: {model: together, ensemble: [small, sparse]}
"""


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    return make_dataset(tmp_path_factory.mktemp("study") / "data")


@pytest.fixture(scope="session")
def shelf(tmp_path_factory):
    """What the stand-ins hand out: two models by seed, of both kinds, all with counts."""
    folder = tmp_path_factory.mktemp("shelf")
    for seed in (0, 1):
        save_keras(folder / f"model{seed}.keras", make_student(seed))
        save_tflite(folder / f"model{seed}.tflite", make_student(seed), softmax=True)
    for path in folder.glob("*.tflite.json"):
        path.write_text(
            path.read_text().replace('"params": null', '"params": 200').replace('"macs": null', '"macs": 900')
        )
    keras.backend.clear_session()
    return folder


@pytest.fixture
def stand_ins(tmp_path, shelf, monkeypatch):
    """A folder with a train.py and a compress.py that are quick; `calls.txt` there lists their calls."""
    return set_up(tmp_path, shelf, monkeypatch)


_EVALUATIONS = {}
LARGE = (64, 96, 1)


def evaluate_once(evaluate, config):
    """The real evaluation, done once for each artefact's bytes; a latency is a number that nobody measured."""
    settings = dataclasses.replace(config, artefacts=(".",), data="", latency=False)
    key = (*(sha256_of([path]) for path in config.artefacts), str(Path(config.data).resolve()), repr(settings))
    if key not in _EVALUATIONS:
        _EVALUATIONS[key] = evaluate(dataclasses.replace(config, latency=False))
    report = copy.deepcopy(_EVALUATIONS[key].report)
    for path, row in zip(shown_paths(config.artefacts), report["artefacts"]):
        row["path"] = path
    if config.latency:
        for row in report["artefacts"]:
            row["latency_ms"] = {"median": 1.0, "p95": 1.5, "runs": 10}
    return dataclasses.replace(_EVALUATIONS[key], report=report)


def set_up(folder, shelf, monkeypatch):
    commands = folder / "commands"
    commands.mkdir()
    for path in shelf.iterdir():
        (commands / path.name).symlink_to(path)
    for name in ("train", "compress"):
        (commands / f"{name}.py").write_text(STAND_IN)
    monkeypatch.setattr(studies.commands, "_ROOT", commands)
    if not isinstance(studies.collect.run_evaluation, functools.partial):
        evaluate = functools.partial(evaluate_once, studies.collect.run_evaluation)
        monkeypatch.setattr(studies.collect, "run_evaluation", evaluate)
    monkeypatch.setattr(studies.speed, "measure_ms", lambda load: 1.0)
    # The tiny frames are too small for the models that are named, which nobody builds here.
    outline = models.outline
    monkeypatch.setattr(models, "outline", lambda name, shape, *rest, **options: outline(name, LARGE, *rest, **options))
    return commands


@pytest.fixture
def config(tmp_path, tiny, monkeypatch):
    """Path of the study's file; its paths are relative, as a user's are."""
    return write_config(tmp_path, tiny, monkeypatch)


def write_config(folder, tiny, monkeypatch):
    monkeypatch.chdir(folder)
    (folder / "data").symlink_to(tiny.path)
    (folder / "study.yaml").write_text(STUDY)
    return Path("study.yaml")


@pytest.fixture
def study(config):
    return read_study(config)


@pytest.fixture(scope="session")
def finished_runs(tmp_path_factory, tiny, shelf):
    """The runs folder of a study that went through once."""
    folder = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as monkeypatch:
        config = write_config(folder, tiny, monkeypatch)
        set_up(folder, shelf, monkeypatch)
        assert run(read_study(config))[0] == {}
    return folder / "runs"


@pytest.fixture
def finished(study, stand_ins, finished_runs):
    """A study that went through once."""
    shutil.copytree(finished_runs, study.runs)
    return study


def run(study, only=None, **options):
    """(failures, {row: plan as it was before}): the whole way, without latency."""
    sums = Checksums()
    plan = make_plan(study, choose(study, only=only), sums)
    return run_plan(study, plan, sums, latency=False, **options), {step.row.name: step for step in plan}


def change(config, old, new):
    """The study after an edit of its file."""
    text = config.read_text()
    assert old in text
    config.write_text(text.replace(old, new))
    return read_study(config)


def calls(folder) -> list[str]:
    """The commands that were run, and forget them."""
    file = folder / "calls.txt"
    found = file.read_text().splitlines() if file.exists() else []
    file.unlink(missing_ok=True)
    return found
