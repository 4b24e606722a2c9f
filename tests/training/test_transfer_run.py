"""Runs with several teachers, unlabelled frames, gaze pretraining, and teachers that start from weights."""

import json
import shutil
import socket
from types import SimpleNamespace

import keras
import numpy as np
import pandas as pd
import pytest

import losses.gaze
import models
import train
from common.errors import InputError, run_command
from data.dataset import FrameRecord, open_dataset, write_dataset
from data.pipeline import PipelineSettings, evaluation_batches, training_batches
from evaluation.artefacts import Metadata, write_metadata
from models.channel_pruning import best_channels
from tests.quantization.blobs import build_tiny
from tests.training.conftest import CLASSES, FRAME_SIZE, draw
from training import fitting
from training.summary import summarise


def build_teacher(keras_module, frame_shape, num_classes, *, width=8, predict=False):
    """A teacher of a few layers; with `predict` it gives a gaze map and looks where that says."""
    layers = keras_module.layers
    frame = keras_module.Input(frame_shape, name="frame")
    x = layers.Conv2D(width, 8, 8, padding="same", activation="relu", name="stride8")(frame)
    if predict:
        heat = layers.Conv2D(1, 1, name="saliency")(x)
        x = layers.Multiply(name="look")([x, layers.Activation("sigmoid", name="gate")(heat)])
    x = layers.Conv2D(width, 3, 2, padding="same", activation="relu", name="stride16")(x)
    logits = layers.Dense(num_classes, name="logits", dtype="float32")(layers.Flatten(name="flat")(x))
    return keras_module.Model(frame, logits, name="plain")


@pytest.fixture(autouse=True)
def tiny(monkeypatch):
    """Models that train in a second."""
    entry = models.registry.Entry
    monkeypatch.setitem(models.MODELS, "tiny", entry(build_tiny, "student", ("stride8", "stride16")))
    monkeypatch.setitem(models.MODELS, "plain", entry(build_teacher, "teacher", ("stride8", "stride16")))


@pytest.fixture(autouse=True)
def quick_exports(monkeypatch):
    """What a student is exported as is not looked at here."""
    monkeypatch.setattr("quantization.saved_model.export_saved_model", lambda model, path, *_: path.mkdir())
    monkeypatch.setattr("quantization.tflite.export_float_tflite", lambda model, path, *_: path.touch())


@pytest.fixture
def flags(shapes, tmp_path):
    """Flags of a short run on the tiny data set, of the student alone."""
    text = (
        f"data: {shapes}\nrun: {tmp_path / 'run'}\nevaluate: false\nstages: [student]\nteacher: plain\nstudent: tiny\n"
        "teach: {epochs: 1, precision: float32}\ndistil: {epochs: 1}\npretrain: {batch_size: 48}\n"
    )
    (tmp_path / "tiny.yaml").write_text(text)
    return ["--config", str(tmp_path / "tiny.yaml")]


@pytest.fixture
def teachers(tmp_path):
    """Files of three teachers, of other widths, not trained."""
    paths = []
    for number in range(3):
        keras.utils.set_random_seed(number)
        path = tmp_path / f"t{number}.keras"
        model = models.create("plain", (*FRAME_SIZE, 1), 3, width=4 + number)
        model.save(path)
        metadata = Metadata("plain", CLASSES, FRAME_SIZE, "logits", "teacher", params=model.count_params())
        write_metadata(path, metadata)
        paths.append(str(path))
    return paths


@pytest.fixture(scope="session")
def unlabelled(tmp_path_factory):
    """A data set whose training frames have no label, and half of the validation frames."""
    return write_partly_labelled(tmp_path_factory.mktemp("data") / "unlabelled", train=0)


def write_partly_labelled(folder, train):
    """48 training frames, every `train`-th with a label (0 = none), and 24 for validation, 12 with a label; no gaze."""
    rng = np.random.default_rng(0)
    with write_dataset(
        folder, classes=CLASSES, frame_size=FRAME_SIZE, source={"kind": "shapes", "simulated": True}, seed=0
    ) as writer:
        for split, count in (("train", 48), ("val", 24)):
            for index in range(count):
                shape = index % 3
                labelled = index < 12 if split == "val" else train and index % train == 0
                name = f"{split}{index // 6}"
                frame = draw(shape, rng.uniform(14, 50), rng.uniform(12, 36), rng)
                writer.add(split, FrameRecord(frame, shape if labelled else -1, name, name, index % 6, index % 6 / 10))
    return folder


def history(tmp_path, stage="student"):
    table = pd.read_csv(tmp_path / "run" / "history.csv")
    return table[table["stage"] == stage].dropna(axis=1, how="all").reset_index(drop=True)


def test_three_teachers_teach_at_once_and_their_weights_count(flags, teachers, tmp_path, capsys):
    ways = ["--loss.logit", "0.5", "--loss.decoupled", "0.1", "--loss.hint", "0.1", "--loss.similarity", "1"]
    several = [*flags, *ways, "--teacher-path", *teachers, "--teacher-weights", "1", "1", "2"]
    train.main(several)
    logged = history(tmp_path)
    for name in ("hard", "soft", "logit", "decoupled", "gaze", "attention", "hint", "similarity", "agreement"):
        assert np.isfinite(logged[name]).all() and np.isfinite(logged[f"val_{name}"]).all(), name
    train.main(several)
    assert "student: reused" in capsys.readouterr().out
    for other in (
        ["--teacher-weights", "1", "1", "3"],
        ["--teacher-path", *teachers[:2], "--teacher-weights", "1", "2"],
    ):
        with pytest.raises(InputError, match="other settings"):
            train.main([*several, *other])


def test_a_student_starts_as_its_teachers_channels(flags, tmp_path, capsys):
    taught = [*flags, "--stages", "[teacher, student]", "--teacher", "sononet_16", "--student", "sononet_8"]
    taught += ["--teacher-options", "{fusion: none}", "--distil.learning_rate", "1e-7"]

    def likeness() -> float:
        """Of the first kernels, as directions: a factor is the standardisation's."""
        teacher, student = (keras.models.load_model(tmp_path / "run" / f"{name}/{name}.keras", compile=False)
                            for name in ("teacher", "student"))  # fmt: skip
        kernel = teacher.get_layer("conv1_1_conv").get_weights()[0]
        best = kernel[..., best_channels(teacher, teacher.get_layer("conv1_1_conv"), 8)]
        return np.corrcoef(best.ravel(), student.get_layer("conv1_1_conv").get_weights()[0].ravel())[0, 1]

    train.main([*taught, "--student-init", "teacher"])
    assert likeness() > 0.99
    train.main([*taught, "--overwrite"])  # another start is another student, of the same teacher
    assert "teacher: reused" in capsys.readouterr().out
    assert likeness() < 0.5


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--student-init", "best"], "student_init must be one of random, teacher, imagenet or a .keras or"),
        (["--student-init", "gone.keras"], "student_init gone.keras: there is no such file"),
        (["--student-init", "imagenet"], "student_init imagenet: there are no ImageNet weights for tiny"),
        (
            ["--student-init", "teacher", "--teacher", "none"],
            "takes the channels of one teacher, and there is none",
        ),
        (["--student-init", "teacher"], "student tiny has a layer .*, and teacher plain has none of that name"),
    ],
)
def test_a_start_that_cannot_be_is_one_line(flags, words, told, tmp_path):
    with pytest.raises(InputError, match=told):
        train.main([*flags, "--stages", "[teacher, student]", *words])
    assert not (tmp_path / "run" / "teacher").exists()


def test_several_teachers_have_no_channels_to_start_from(flags, teachers):
    with pytest.raises(InputError, match="one teacher, and there are 3"):
        train.main([*flags, "--student-init", "teacher", "--teacher-path", *teachers])


def test_a_summary_of_several_teachers_compares_with_the_first():
    def row(path, stage, accuracy):
        numbers = {"accuracy": accuracy, "accuracy_ci95": None, "macro_f1": accuracy, "params": 1000, "bytes": 100}
        return {"path": path, "stage": stage, **numbers}

    rows = [row("runs/a/t.keras", "teacher", 0.9), row("runs/b/t.keras", "teacher", 0.8), row("s.tflite", "int8", 0.88)]
    report = {"artefacts": rows, "dataset": {"n_frames": 9, "n_patients": 3}}
    text = summarise(report, SimpleNamespace(info={"source": {}}))
    lines = {line.split("|")[1].strip(): line for line in text.splitlines() if line.startswith("| ")}
    assert lines["runs/b/t.keras"].endswith("|  |  |") and lines["s.tflite"].endswith("| 40 | 2.0 |")
    assert "Of several teachers it is the first." in text


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [("classes", ["x", "y", "z"], "trained for the classes x, y, z"), ("frame_size", [40, 56], "frames of (40, 56)")],
)
def test_every_teacher_must_fit_the_data(field, value, words, flags, teachers, tmp_path, capsys):
    beside = tmp_path / "t1.keras.json"
    beside.write_text(json.dumps(json.loads(beside.read_text()) | {field: value}))
    assert run_command(train.main, [*flags, "--teacher-path", *teachers]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "t1.keras" in error and words in error
    assert not (tmp_path / "run").exists()


def test_a_student_learns_from_frames_that_nobody_labelled(flags, teachers, unlabelled, tmp_path):
    ways = ["--loss.logit", "1", "--loss.decoupled", "0.1"]
    train.main([*flags, "--data", str(unlabelled), *ways, "--teacher-path", teachers[0]])
    logged = history(tmp_path).iloc[0]
    assert logged["hard"] == 0 and logged["accuracy"] == 0 and logged["val_hard"] > 0
    assert min(logged[["soft", "logit", "decoupled", "attention"]]) > 0
    right = logged["val_accuracy"] * 12  # of the twelve validation frames with a label
    assert right == pytest.approx(round(right), abs=1e-4)


def test_a_teacher_learns_from_the_labelled_frames_alone(flags, tmp_path):
    folder = write_partly_labelled(tmp_path / "some", train=4)
    data = open_dataset(folder)
    assert (data.labelled_frames("train"), data.labelled_frames("val")) == (12, 12)
    settings = PipelineSettings(batch_size=4, unlabelled="none")
    labels = [label.numpy() for _, label, _ in training_batches(data, "train", settings).take(6)]
    assert np.concatenate(labels).min() >= 0
    batches = evaluation_batches(data, "val", batch_size=5, unlabelled="none")
    assert sum(len(label) for _, label, _ in batches) == 12 and int(batches.cardinality()) == 3
    train.main([*flags, "--data", str(folder), "--stages", "[teacher]"])
    assert np.isfinite(history(tmp_path, "teacher")["val_accuracy"]).all()


def test_gaze_pretraining_comes_first_and_goes_on_after_a_stop(flags, tmp_path, monkeypatch):
    flags = [*flags, "--teacher", "none", "--pretrain.epochs", "2", "--distil.epochs", "2"]
    train.main(flags)
    first, rest = history(tmp_path, "pretrain"), history(tmp_path)
    assert set(first.columns) >= {"gaze", "val_gaze", "loss"} and not {"hard", "soft"} & set(first.columns)
    assert first["gaze"].iloc[-1] < first["gaze"].iloc[0]
    # The head goes on from where it was, not from how it is drawn.
    assert rest["gaze"].iloc[0] < first["gaze"].iloc[0]
    assert not list((tmp_path / "run" / "checkpoints").iterdir())
    shutil.move(tmp_path / "run", tmp_path / "whole")

    original = fitting.Reporter.on_epoch_end

    def stop_in_the_second_epoch(self, epoch, logs=None):
        original(self, epoch, logs)
        if (self._stage, epoch) == ("student", 1):
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(fitting.Reporter, "on_epoch_end", stop_in_the_second_epoch)
        assert run_command(train.main, flags) == 130
    names = {file.name.split("-")[0] for file in (tmp_path / "run" / "checkpoints").iterdir()}
    assert names == {"pretrain", "student"}, "the finished pretraining is kept until the student is on disk"
    train.main(flags)
    for stage, whole in (("pretrain", first), ("student", rest)):
        assert list(history(tmp_path, stage)["epoch"]) == [1, 2]
        np.testing.assert_allclose(history(tmp_path, stage)["loss"], whole["loss"], rtol=1e-4)


def test_a_teacher_that_predicts_the_gaze_learns_it_too(flags, tmp_path):
    flags = [*flags, "--stages", "[teacher]", "--teacher-options", "{predict: true}", "--teach.epochs", "3"]
    train.main([*flags, "--teach.learning_rate", "0.003"])
    logged = history(tmp_path, "teacher")
    assert {"loss", "hard", "gaze", "accuracy"} <= set(logged.columns)
    assert logged["gaze"].iloc[-1] < logged["gaze"].iloc[0]
    np.testing.assert_allclose(logged["loss"], logged["hard"] + 0.3 * logged["gaze"], rtol=1e-4)
    saved = keras.saving.load_model(tmp_path / "run" / "teacher" / "teacher.keras", compile=False)
    assert [tensor.name for tensor in saved.inputs] == ["frame"] and saved.output_shape == (None, 3)


def test_a_pretrained_teacher_starts_from_its_weights_and_is_known_by_them(flags, tmp_path, monkeypatch):
    weights = tmp_path / "start.npz"
    weights.write_bytes(b"one")
    asked = []
    monkeypatch.setattr(models, "check_pretrained", lambda *given: asked.append(given))
    monkeypatch.setattr(models, "load_pretrained", lambda model, *given: asked.append(given))
    flags = [*flags, "--stages", "[teacher]", "--pretrained", str(weights)]
    train.main(flags)
    assert asked.pop(0) == ("plain", str(weights), {}) and set(asked) == {("plain", str(weights))}
    weights.write_bytes(b"two")
    with pytest.raises(InputError, match="holds a teacher"):
        train.main(flags)


def test_a_student_starts_from_weights_and_is_known_by_them(flags, tmp_path):
    alone = [*flags, "--teacher", "none"]
    first = tmp_path / "first.keras"
    keras.utils.set_random_seed(5)
    start = models.create("tiny", (*FRAME_SIZE, 1), 3)
    start.save(first)
    train.main([*alone, "--student-init", str(first), "--distil.learning_rate", "1e-12"])
    ended = keras.saving.load_model(tmp_path / "run" / "student" / "student.keras")
    for layer in start.layers:
        if layer.name not in ("logits", "bn") and layer.trainable_weights:
            np.testing.assert_allclose(ended.get_layer(layer.name).get_weights()[0], layer.get_weights()[0], atol=1e-6)
    keras.utils.set_random_seed(6)
    models.create("tiny", (*FRAME_SIZE, 1), 3).save(first)
    with pytest.raises(InputError, match="holds a student"):
        train.main([*alone, "--student-init", str(first), "--distil.learning_rate", "1e-12"])


@pytest.mark.parametrize(
    ("words", "flag"),
    [
        (
            ["--student", "mobilenet_v1", "--student-options", "{width: 0.25}", "--student-init", "imagenet"],
            "student_init",
        ),
        (["--stages", "[teacher]", "--teacher", "vgg16", "--pretrained", "imagenet"], "pretrained"),
    ],
)
def test_offline_imagenet_is_one_line_and_never_a_random_start(words, flag, flags, tmp_path, monkeypatch, capsys):
    def refuse(*args, **kwargs):
        raise OSError(101, "Network is unreachable")

    monkeypatch.setattr("keras.src.utils.file_utils.config.keras_home", lambda: str(tmp_path / "home"))
    monkeypatch.setattr(socket, "create_connection", refuse)
    if flag == "student_init":
        words = ["--teacher", "none", *words]
    else:
        words = [*words, "--teacher-options", "{batch_norm: false, preprocess: imagenet, dense_units: 8}"]
    assert run_command(train.main, [*flags, *words]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and f"{flag} imagenet: the weights of" in error and "can't be fetched" in error
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["--teacher", "none", "--loss.logit", "1"], "loss.logit 1: needs a teacher"),
        (["--teacher", "none", "--loss.decoupled", "0.5"], "loss.decoupled 0.5: needs a teacher"),
        (["--teacher", "none", "--loss.attention", "2"], "loss.attention 2: needs a teacher"),
        (["--teacher", "none", "--pretrained", "imagenet"], "pretrained is for a teacher that is trained here"),
        (["--teacher", "none", "--loss.gaze", "0", "--loss.hard", "0"], "every weight is 0"),
        (["--teacher-weights", "1", "2"], "teacher_weights must be one for each of the 0"),
        (["--teacher-path", "T", "--teacher-weights", "1", "2"], "teacher_weights must be one for each of the 1"),
        (["--teacher-path", "T", "T", "--teacher-weights", "1", "-2"], "teacher_weights must be above 0, not -2"),
        (["--teacher-path", "T", "no/such.keras"], "no/such.keras"),
        (["--teacher-path", "T", "T", "--loss.attention_taps", "[stride4]"], "loss.attention_taps: tiny has"),
        (["--loss.attention_taps", "[logits]"], "loss.attention_taps: tiny has no tap 'logits'; it has"),
        (["--loss.hint_taps", "[stride32]"], "loss.hint_taps: tiny has no tap 'stride32'"),
        (
            ["--data", "UNLABELLED", "--teacher-path", "T"]
            + [word for name in ("alpha", "attention", "gaze") for word in (f"--loss.{name}", "0")],
            "every weight of loss that needs no label is 0",
        ),
        (["--teacher", "multitask_sonoeyenet", "--gaze", "none", "--stages", "[teacher]"], "learns to predict gaze"),
        (["--teacher-path"], "--teacher-path"),
        (["--loss.dkd_beta", "-1"], "loss.dkd_beta must be a number of at least 0, not -1.0"),
        (["--loss.logit", ".nan"], "loss.logit must be a number of at least 0, not nan"),
        (["--teach.gaze", "-1"], "teach.gaze must be a number of at least 0, not -1.0"),
        (["--pretrain.epochs", "-1"], "pretrain.epochs must be a number of at least 0"),
        (["--pretrain.epochs", "1", "--gaze", "none"], "gaze is 'none'"),
        (
            ["--data", "UNLABELLED", "--pretrain.epochs", "1", "--teacher-path", "T"],
            "has none in its training split",
        ),
        (["--data", "UNLABELLED"], "no labelled frame in its training split for the teacher plain"),
        (
            ["--data", "UNLABELLED", "--teacher", "none"],
            "no labelled frame in its training split, and teacher is 'none'",
        ),
        (["--stages", "[teacher]", "--teacher-options", "{predict: true}", "--data", "ODD"], "and the layer saliency"),
    ],
)
def test_what_can_not_work_is_one_line_before_any_training(
    given, words, flags, teachers, unlabelled, tmp_path, capsys, monkeypatch
):
    if "ODD" in given:
        monkeypatch.setattr(losses.gaze, "map_size", lambda size: (3, 4))
        given = given[:-2]
    given = [{"T": teachers[0], "UNLABELLED": str(unlabelled)}.get(word, word) for word in given]
    assert run_command(train.main, [*flags, *given]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and words in error, error
    assert not (tmp_path / "run").exists()
