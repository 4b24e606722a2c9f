"""Given teachers: what they must fit, several at once, and those that a run pretrains or starts from weights."""

import dataclasses
import json
import socket

import keras
import numpy as np
import pandas as pd
import pytest

import models
from common.errors import InputError
from data.dataset import FrameRecord, write_dataset
from evaluation.artefacts import load_keras_model, read_metadata
from models.channel_pruning import best_channels
from tests.training import tiny
from training import train
from training.history import History
from training.teacher import with_sigma

pytestmark = pytest.mark.usefixtures("quick_exports")
STUDENT = {"stages": ["student"], "distil": {"epochs": 1, "batch_size": 24}}


@pytest.fixture(scope="module")
def teachers(tmp_path_factory):
    """Files of three teachers, of other widths, not trained."""
    folder = tmp_path_factory.mktemp("teachers")
    return [tiny.write_teacher(folder / f"t{number}.keras", seed=number, width=4 + number) for number in range(3)]


def history(folder, stage="student") -> pd.DataFrame:
    table = pd.read_csv(folder / "history.csv")
    return table[table["stage"] == stage].dropna(axis=1, how="all").reset_index(drop=True)


def test_three_teachers_teach_at_once_and_their_weights_count(shapes, run, teachers, capsys):
    loss = {"logit": 0.5, "decoupled": 0.1, "hint": 0.1, "similarity": 1}
    several = tiny.config(shapes, run, **STUDENT, loss=loss, teacher_path=teachers, teacher_weights=[1, 1, 2])
    train(several)
    logged = history(run)
    for name in ("hard", "soft", "logit", "decoupled", "gaze", "attention", "hint", "similarity", "agreement"):
        assert np.isfinite(logged[name]).all() and np.isfinite(logged[f"val_{name}"]).all(), name
    with np.load(run / "student" / "heads.npz") as heads:
        assert set(heads.files) == {f"{layer}/{weight}" for layer in ("saliency_head", "adapter_stride16")
                                    for weight in ("kernel", "bias")}  # fmt: skip
    train(several)
    assert "student: reused" in capsys.readouterr().out
    for other in ({"teacher_weights": [1, 1, 3]}, {"teacher_path": teachers[:2], "teacher_weights": [1, 2]}):
        with pytest.raises(InputError, match="other settings"):
            train(dataclasses.replace(several, **other))


def test_a_gaze_map_is_no_teacher(shapes, run, tmp_path):
    """Once its channels counted as classes, or the shapes did not fit in the middle of a training."""
    train(tiny.config(shapes, run, stages=["student"], teacher="none"))
    config = tiny.config(shapes, tmp_path / "next", **STUDENT, teacher_path=run / "student" / "gaze_map.keras")
    with pytest.raises(InputError, match=r"gaze_map\.keras: predicts gaze maps, not classes"):
        train(config)


def test_the_teachers_sigma_decides(shapes, run, teachers, tmp_path):
    wide = tiny.write_teacher(tmp_path / "wide.keras", sigma=0.1)
    blind = tiny.write_teacher(tmp_path / "blind.keras", sigma=0.2, predict=True)
    config = tiny.config(shapes, run, **STUDENT)
    assert with_sigma(config).sigma == 0.03
    assert with_sigma(dataclasses.replace(config, teacher_path=wide)).sigma == 0.1
    assert with_sigma(dataclasses.replace(config, teacher_path=[wide, blind])).sigma == 0.1, "it sees no gaze"
    assert with_sigma(dataclasses.replace(config, teacher_path=wide, sigma=0.1)).sigma == 0.1
    train(dataclasses.replace(config, teacher_path=wide))
    assert read_metadata(run / "student" / "student.keras").sigma == 0.1
    with pytest.raises(
        InputError, match=r"wide.keras: was trained with gaze maps of sigma 0.1, and sigma is 0.03: leave"
    ):
        train(dataclasses.replace(config, teacher_path=wide, sigma=0.03))
    with pytest.raises(
        InputError, match=r"t0.keras: was trained .* of sigma 0.03, and .*wide.keras with those of 0.1: give"
    ):
        train(dataclasses.replace(config, teacher_path=[wide, teachers[0]]))


@pytest.mark.parametrize(
    ("field", "value", "named"),
    [
        ("classes", ["x", "y", "z"], "x, y, z"),
        ("frame_size", [40, 56], "40×56"),
        ("gaze_map_size", [3, 4], "[3, 4]"),
    ],
)
def test_every_teacher_must_fit_the_data(field, value, named, shapes, run, teachers, tmp_path):
    odd = tiny.write_teacher(tmp_path / "odd.keras")
    beside = tmp_path / "odd.keras.json"
    beside.write_text(json.dumps(json.loads(beside.read_text()) | {field: value}))
    with pytest.raises(InputError) as caught:
        train(tiny.config(shapes, run, **STUDENT, teacher_path=[teachers[0], odd]))
    assert "odd.keras" in str(caught.value) and named in str(caught.value)
    assert not run.exists()


def test_a_student_may_start_as_its_teachers_channels(shapes, run, capsys):
    config = tiny.config(
        shapes,
        run,
        stages=["teacher", "student"],
        teacher="wide",
        teacher_options={"width": 24},
        student="narrow",
        student_init="teacher",
        teach={"epochs": 1, "batch_size": 24, "precision": "float32"},
        distil={"epochs": 1, "batch_size": 24, "learning_rate": 1e-7},
    )

    def likeness() -> float:
        teacher, student = (load_keras_model(run / f"{name}/{name}.keras") for name in ("teacher", "student"))
        kernel = teacher.get_layer("conv8").get_weights()[0]
        best = kernel[..., best_channels(teacher, teacher.get_layer("conv8"), 8)]
        return np.corrcoef(best.ravel(), student.get_layer("conv8").get_weights()[0].ravel())[0, 1]

    train(config)
    assert likeness() > 0.99
    assert read_metadata(run / "student" / "student.keras").teacher is not None
    train(dataclasses.replace(config, student_init="random"), overwrite=True)
    assert "teacher: reused" in capsys.readouterr().out, "another start is another student of the same teacher"
    assert likeness() < 0.5


def test_a_teacher_that_no_term_asks_does_not_run(shapes, whole_run, run, teachers, tmp_path, monkeypatch):
    # The student of labels alone, to the bit. whole_run has imported the int8 stage, without the quick exports.
    alone, common = tmp_path / "alone", {**STUDENT, "unlabelled": "none"}
    named = tiny.config(shapes, run, **common, teacher_path=teachers[:1], loss={"alpha": 0, "attention": 0})
    train(tiny.config(shapes, alone, **common, teacher="none"))
    train(named)
    files = [folder / "student" / "student.keras" for folder in (run, alone)]
    for got, wanted in zip(*(load_keras_model(file).get_weights() for file in files), strict=True):
        np.testing.assert_array_equal(got, wanted)
    assert [read_metadata(file).teacher for file in files] == [None, None], "it taught nothing, so it is not named"
    assert "agreement" not in history(run)

    class Seen(Exception):
        """Ends the int8 stage where its training would begin."""

    def see(*_, training, **__):
        assert training.teacher is None
        raise Seen

    monkeypatch.setattr("training.int8.quantize_aware_train", see)
    with pytest.raises(Seen):
        train(dataclasses.replace(named, stages=["int8"]))


def test_a_student_starts_from_weights_and_is_known_by_them(shapes, run, tmp_path):
    first = tmp_path / "first.keras"
    keras.utils.set_random_seed(5)
    start = models.create("tiny", (*tiny.FRAME_SIZE, 1), 3)
    start.save(first)
    slow = {**STUDENT, "distil": {"epochs": 1, "batch_size": 24, "learning_rate": 1e-12}}
    config = tiny.config(shapes, run, **slow, teacher="none", student_init=str(first))
    train(config)
    ended = load_keras_model(run / "student" / "student.keras")
    for name in ("conv8", "conv16"):
        np.testing.assert_allclose(
            ended.get_layer(name).get_weights()[0], start.get_layer(name).get_weights()[0], atol=1e-6
        )
    models.create("tiny", (*tiny.FRAME_SIZE, 1), 3).save(first)
    with pytest.raises(InputError, match="holds a student"):
        train(config)


def test_a_teacher_that_predicts_the_gaze_learns_it_too(shapes, run):
    teach = {"epochs": 3, "batch_size": 24, "learning_rate": 0.003, "precision": "float32", "label_smoothing": 0}
    train(tiny.config(shapes, run, stages=["teacher"], teacher_options={"predict": True}, teach=teach))
    logged = history(run, "teacher")
    assert logged["gaze"].iloc[-1] < logged["gaze"].iloc[0]
    np.testing.assert_allclose(logged["loss"], logged["hard"] + 0.3 * logged["gaze"], rtol=1e-4)
    saved = load_keras_model(run / "teacher" / "teacher.keras")
    assert [tensor.name for tensor in saved.inputs] == ["frame"] and saved.output_shape == (None, 3)


def test_gaze_pretraining_comes_first_and_goes_on_after_a_stop(shapes, run, monkeypatch):
    fit = {"epochs": 2, "batch_size": 24, "warmup_epochs": 0.5}
    # Of the student's weights the moving average: a kill must leave that, too.
    distil = {**fit, "learning_rate": 0.02, "weight_average": 0.7}
    config = tiny.config(shapes, run, stages=["student"], teacher="none", pretrain=fit, distil=distil)
    train(config)
    first, rest = history(run, "pretrain"), history(run)
    assert set(first.columns) >= {"gaze", "val_gaze", "loss"} and not {"hard", "soft"} & set(first.columns)
    assert first["gaze"].iloc[-1] < first["gaze"].iloc[0]
    assert rest["gaze"].iloc[0] < first["gaze"].iloc[0], "the head goes on from where it was"
    assert not list((run / "checkpoints").iterdir())

    def stop_in_the_second_epoch(self, stage, epoch, logs):
        add(self, stage, epoch, logs)
        if (stage, epoch) == ("student", 2):
            raise KeyboardInterrupt

    again, add = dataclasses.replace(config, run=run.with_name("again")), History.add
    with monkeypatch.context() as patch:
        patch.setattr(History, "add", stop_in_the_second_epoch)
        with pytest.raises(KeyboardInterrupt):
            train(again)
    names = {file.name.split("-")[0] for file in (again.run / "checkpoints").iterdir()}
    assert names == {"pretrain", "student"}, "the finished pretraining is kept until the student is on disk"
    train(again)
    for stage, whole in (("pretrain", first), ("student", rest)):
        pd.testing.assert_frame_equal(history(again.run, stage), whole, check_exact=True)
    weights = [load_keras_model(each.run / "student" / "student.keras").get_weights() for each in (config, again)]
    for one, other in zip(*weights, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_data_set_of_other_frames_is_refused(run, teachers, tmp_path):
    rng = np.random.default_rng(0)
    with write_dataset(
        tmp_path / "small", classes=tiny.CLASSES, frame_size=(40, 56), source={"kind": "noise"}, seed=0
    ) as writer:
        for split in ("train", "val"):
            for label in range(3):
                frame = rng.integers(0, 255, (40, 56)).astype(np.uint8)
                writer.add(split, FrameRecord(frame, label, f"{split}{label}", f"{split}{label}", 0, 0.0))
    with pytest.raises(InputError, match=r"t0.keras: takes frames of 48×64"):
        train(tiny.config(tmp_path / "small", run, **STUDENT, teacher_path=teachers[0]))
    assert not run.exists()


@pytest.mark.parametrize(
    ("settings", "parameter"),
    [
        (
            {
                "teacher": "none",
                "student": "mobilenet_v1",
                "student_options": {"width": 0.25},
                "student_init": "imagenet",
            },
            "student_init",
        ),
        (
            {
                "stages": ["teacher"],
                "teacher": "vgg16",
                "teacher_options": {"batch_norm": False, "preprocess": "imagenet", "dense_units": 8, "width": 1.0},
                "pretrained": "imagenet",
            },
            "pretrained",
        ),
    ],
    ids=["student", "teacher"],
)
def test_offline_imagenet_is_one_line_and_never_a_random_start(settings, parameter, shapes, run, tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        raise OSError(101, "Network is unreachable")

    monkeypatch.setattr("keras.src.utils.file_utils.config.keras_home", lambda: str(tmp_path / "home"))
    monkeypatch.setattr(socket, "create_connection", refuse)
    with pytest.raises(InputError, match=f"{parameter} imagenet: .* can't be fetched"):
        train(tiny.config(shapes, run, **{**STUDENT, **settings}))
    assert not run.exists()
