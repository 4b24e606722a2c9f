"""A study of the tiny data set; `finish` does what the workflow does, with models from a shelf."""

import common.quiet  # noqa: F401  isort: skip

import hashlib
import shutil
from pathlib import Path

import evaluate
import models
import training.flags
from studies.check import check, current_rows
from studies.commands import evaluate_command, row_command
from studies.declare import choose, read_study
from studies.files import evaluation_inputs, made_files, training_inputs

STUDY = """
runs: runs
seed: 0
latency: false
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
LARGE = (64, 96, 1)


def outline_large(monkeypatch):
    outline = models.outline
    monkeypatch.setattr(models, "outline", lambda name, shape, *rest, **options: outline(name, LARGE, *rest, **options))


def keep_parsers(monkeypatch, build=training.flags.build_parser, kept={}):  # noqa: B006  (kept between tests)
    """One parser of train.py for all rows of a preset: to build it takes longer than to parse a row."""

    def build_once(preset):
        key = repr(preset)
        kept[key] = kept.get(key) or build(preset)
        return kept[key]

    monkeypatch.setattr(training.flags, "build_parser", build_once)


def write_config(folder, tiny, monkeypatch, text=STUDY):
    """Path of a study's file; its paths are relative, as a user's are."""
    monkeypatch.chdir(folder)
    if not (folder / "data").exists():
        (folder / "data").symlink_to(tiny.path)
    (folder / "study.yaml").write_text(text)
    return Path("study.yaml")


def finish(study, shelf, only=None):
    """What the workflow does with each row, with a model from the shelf: which one, the seed says."""
    rows = choose(study, only=only)
    check(study, rows)
    for row in rows:
        if row.trains:
            words = row_command(study, row).words
            seed = words[words.index("--seed") + 1]
            for path in made_files(study, row):
                path.parent.mkdir(parents=True, exist_ok=True)
                for end in ("", ".json"):
                    shutil.copy(shelf / f"model{seed}{path.suffix}{end}", f"{path}{end}")
            record(study.folder(row) / "trained.txt", [*training_inputs(study, row), *made_files(study, row)])
        evaluate.main(evaluate_command(study, row).expanded)
        record(study.folder(row) / "evaluated.txt", evaluation_inputs(study, row))


def record(file, paths):
    file.write_text("".join(f"{hashlib.sha256(path.read_bytes()).hexdigest()}\n" for path in paths))


def change(config, old, new):
    """The study after an edit of its file."""
    text = config.read_text()
    assert old in text
    config.write_text(text.replace(old, new))
    return read_study(config)


def current(study):
    """Names of the rows whose results are of the study as it is."""
    return [row.name for table in study.tables.values() for row in current_rows(study, table)]
