"""A tiny data set, and a run folder with one artefact of each kind."""

import common.quiet  # noqa: F401  isort: skip

import json

import pytest

from evaluation.config import EvaluateConfig
from evaluation.report import run_evaluation
from tests.evaluation.small import (
    artefact_paths,
    make_dataset,
    make_gaze_head,
    make_student,
    make_teacher,
    save_keras,
    save_saved_model,
    save_tflite,
)


@pytest.fixture(scope="session")
def dataset(tmp_path_factory):
    return make_dataset(tmp_path_factory.mktemp("data") / "set")


@pytest.fixture(scope="session")
def student():
    return make_student()


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory, student):
    """A run folder with every kind of artefact of one student, a teacher, and a history."""
    run = tmp_path_factory.mktemp("runs") / "run"
    save_keras(run / "teacher" / "teacher.keras", make_teacher(), stage="teacher")
    save_keras(run / "student" / "student.keras", student)
    save_keras(run / "student" / "gaze_map.keras", make_gaze_head(student), stage="gaze_map", output="gaze_map")
    save_saved_model(run / "student" / "saved_model", student)
    save_tflite(run / "student" / "student.tflite", student)
    (run / "int8").mkdir()
    save_tflite(run / "int8" / "student_int8.tflite", student, eight_bit=True, softmax=True)
    for folder, seed in ((run, 0), (run / "student", 1)):
        (folder / "config.yaml").write_text(json.dumps({"seed": seed}))
    (run / "history.csv").write_text(
        "stage,epoch,loss,val_loss,hard,val_hard,gaze,attention,accuracy,val_accuracy\n"
        "teacher,1,1.2,1.3,1.2,1.3,,,0.4,0.4\nteacher,2,0.9,1.1,0.9,1.1,,,0.5,0.45\n"
        "student,1,1.5,1.6,1.2,1.3,0.9,0.1,0.3,0.3\nstudent,2,1.1,1.3,0.9,1,0.7,0.09,0.45,0.4\n"
        "student,3,0.8,1.1,0.6,0.9,0.6,0.08,0.6,0.5\nint8,1,0.7,0.9,0.5,0.8,0.5,0.07,0.6,0.6\n"
    )
    return run


@pytest.fixture(scope="session")
def evaluation(run_folder, dataset):
    """Of all artefacts of `run_folder`; read only."""
    paths = artefact_paths(run_folder)
    return run_evaluation(EvaluateConfig(paths, dataset.path, latency=False, saliency=True, conventional="sononet_16"))
