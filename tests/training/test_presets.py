"""The presets: readable, and a thousandth of the conventional model's bytes before anything is trained."""

from pathlib import Path

import numpy as np
import pytest

import models
from common.parsing import read_presets
from common.strict_yaml import read_mapping
from evaluation.artefacts import Metadata
from quantization.tflite import post_training_int8
from training import TrainConfig
from training.flags import build_parser

CLASSES = ("abdomen", "femur", "head", "other")


def read(preset):
    values = {"data": "data", "run": "run", **read_presets(TrainConfig, [Path(f"configs/{preset}.yaml")])}
    return TrainConfig(**values)


# What is no study is a preset of train.py.
SETTINGS = {path.stem: read_mapping(path, references=True) for path in sorted(Path("configs").glob("*.yaml"))}
PRESETS = [name for name, settings in SETTINGS.items() if "datasets" not in settings]


@pytest.mark.parametrize("preset", PRESETS)
def test_the_models_of_a_preset_can_be_built(preset):
    """Teacher and student with their options, at the preset's frame size, with the layers that the loss compares."""
    config = read(preset)
    frame = {"paper": (224, 288), "polyps_train": (96, 96), "demo": (96, 128)}.get(preset, (112, 144))
    teacher = models.outline(config.teacher, (*frame, 1), 4, **config.teacher_options)
    student = models.outline(config.student, (*frame, 1), 4, **config.student_options)
    assert {tensor.name for tensor in student.inputs} == {"frame"}
    for model, taps in ((student, config.loss.taps()), (teacher, config.loss.teacher_taps())):
        assert set(taps) <= {layer.name for layer in model.layers}


def test_few_labels_is_the_whole_method_of_the_evidence():
    """What is offered for one's own recordings is what was measured; the evidence stops before the quantization."""
    rows = SETTINGS["evidence"]["tables"]["patients_16"]["rows"]
    wanted = {name: value for name, value in SETTINGS["evidence_train"].items() if name not in ("data", "run")}
    for row in ("teacher_gaze", "whole"):
        for flag, value in rows[row]["train"].items():
            if flag not in ("stages", "teacher-path"):
                stage, field = flag.replace("-", "_").split(".")
                wanted[stage] = {**wanted[stage], field: value}
    offered = dict(SETTINGS["few_labels"])
    assert offered.pop("seed") == 0 and offered.pop("quantize") == SETTINGS["demo"]["quantize"]
    assert offered == wanted


def test_help_says_what_each_setting_of_a_stage_is():
    said = " ".join(build_parser().format_help().split())
    for text in (
        "passes over the training split",
        "half cosine",
        "weight of the term attention",
        "uniform in ±rotation_deg",
        *models.names("teacher"),
        *models.names("student"),
    ):
        assert text in said
    assert "models.names" not in said


@pytest.mark.parametrize(("preset", "frame"), [("demo", (96, 128)), ("fetal_planes", (112, 144))])
def test_the_int8_file_has_a_thousandth_of_the_conventional_models_bytes(preset, frame, tmp_path):
    config = read(preset)
    student = models.create(config.student, (*frame, 1), 4, **config.student_options)
    rng = np.random.default_rng(0)
    # Biases that are all 0 share one buffer in the file: a trained model's are not.
    student.set_weights([w + rng.uniform(0.1, 0.2, w.shape).astype(w.dtype) for w in student.get_weights()])
    metadata = Metadata(config.student, CLASSES, frame, "probabilities", "int8")
    frames = [rng.uniform(size=(8, *frame, 1)).astype(np.float32)]
    size = post_training_int8(student, frames, tmp_path / "student.tflite", metadata)
    conventional = models.outline("vgg16", (*frame, 1), 4)
    assert 4 * conventional.count_params() >= 1000 * size
