"""Estimates count frames: each stage's epochs, each teacher's answers, every target of a compression."""

import json

import pytest

from studies.estimate import row_loads, say
from studies.speed import Load, Speeds, measure_ms
from tests.studies.conftest import change

FRAMES = 16  # of the training split


def loads(study, name):
    found = {}
    for load, frames in row_loads(study, study.row("tiny", name)):
        key = (load.does, load.model)
        found[key] = found.get(key, 0) + frames / FRAMES
    return found


def test_epochs_of_each_stage(study, config):
    assert loads(study, "big") == {("train", "vgg16"): 24 * 3 / 4}  # a teacher learns from the labelled frames alone
    assert loads(study, "small") == {("train", "squeezenet_1_1"): 3, ("forward", "vgg16"): 3}
    study = change(config, "distil.epochs: 3,", "distil.epochs: 3, distil.views: 2, distil.steps_per_epoch: 4,")
    batches = 3 * 4 * 32 / FRAMES  # with a cache the teacher answers for each view once
    assert loads(study, "small") == {("train", "squeezenet_1_1"): batches, ("forward", "vgg16"): 2}
    study = change(config, "distil.views: 2, distil.steps_per_epoch: 4,", "distil.views: 0,")
    study = change(config, "stages: [student],", "stages: [student, int8], quantize.epochs: 2,")
    assert loads(study, "small") == {("train", "squeezenet_1_1"): pytest.approx(3 + 3.3 * 2), ("forward", "vgg16"): 5}
    study = change(config, 'teacher-path: "{big}"', "teacher: none, pretrain.epochs: 4")
    assert loads(study, "small") == {("train", "squeezenet_1_1"): pytest.approx(7 + 3.3 * 2)}


def test_compressions(study, config):
    # Two targets, each trained ten epochs, then two through fake quantization.
    targets = '{sparsity: [0.5, 0.8], epochs: 10, int8-epochs: 2, teacher: "{big}"}'
    assert loads(change(config, "{sparsity: [0.5]}", targets), "sparse") == {
        ("train", "squeezenet_1_1"): pytest.approx(3.3 * 2 * 12),
        ("forward", "vgg16"): 24,
    }
    study = change(config, "compress: prune", "compress: ptq")
    study = change(config, f"flags: {targets}", "flags: {kinds: [int8, dynamic]}")
    assert loads(study, "sparse") == {}
    change(config, "compress: ptq", "compress: channels")
    study = change(config, "{kinds: [int8, dynamic]}", "{keep: [0.5, 0.25], epochs: 2}")
    assert loads(study, "sparse") == {("train", "squeezenet_1_1"): 4}


def test_what_was_measured_is_kept_for_this_machine_alone(tmp_path, monkeypatch):
    load = Load("train", "vgg16", "{}", (16, 24))
    measured = []
    monkeypatch.setattr("studies.speed.measure_ms", lambda load: measured.append(load) or 2.5)
    speeds = Speeds(tmp_path / "speeds.json")
    assert speeds[load] is None
    speeds.measure([load, load])
    assert (speeds[load], len(measured)) == (2.5, 1)
    again = Speeds(tmp_path / "speeds.json")
    again.measure([load])
    assert (again[load], len(measured)) == (2.5, 1)
    stored = json.loads((tmp_path / "speeds.json").read_text())
    (tmp_path / "speeds.json").write_text(json.dumps({**stored, "machine": {"processor": "another"}}))
    assert Speeds(tmp_path / "speeds.json")[load] is None


@pytest.mark.parametrize(
    ("does", "model", "options"),
    [("train", "sononet_4", {"width": 0.5}), ("forward", "vgg16", {"width": 0.1, "dense_units": 8})],
)
def test_a_model_is_timed(does, model, options):
    assert measure_ms(Load(does, model, json.dumps(options), (32, 48))) > 0


def test_a_model_that_cannot_be_built_is_left_unknown(tmp_path):
    load = Load("train", "sononet_4", '{"width": -1}', (32, 48))
    speeds = Speeds(tmp_path / "speeds.json")
    speeds.measure([load])
    assert speeds[load] is None


def test_words():
    assert [say(value) for value in (None, 3, 61, 89 * 60, 2 * 3600)] == [
        "an unknown time", "under a minute", "about 1 min", "about 89 min", "about 2.0 h",
    ]  # fmt: skip
