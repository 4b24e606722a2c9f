"""compress.py as a user runs it: a folder of artefacts with their numbers, or one line and nothing."""

import json

import keras
import numpy as np
import pytest
import yaml

import compress
import models
from baselines import bench
from common.errors import run_command
from data.dataset import UNLABELLED, FrameRecord, open_dataset, write_dataset
from evaluation.artefacts import Metadata, load_artefact, read_metadata, write_metadata
from evaluation.predictions import predict_split
from tests.quantization import small
from tests.training.conftest import CLASSES, FRAME_SIZE, write_shapes


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run folder with a student and a teacher that nobody trained, and a data set."""
    folder = tmp_path_factory.mktemp("compress")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(models.MODELS, small.NAME, small.ENTRY)
        patch.setattr(bench, "CALIBRATION_BATCHES", 1)
        write_shapes(folder / "data")
        data = open_dataset(folder / "data")
        keras.utils.set_random_seed(0)
        built = {
            "student": models.create(small.NAME, (*FRAME_SIZE, 1), 3),
            "teacher": models.create("vgg16", (*FRAME_SIZE, 1), 3, width=0.125, dense_units=16),
        }
        for stage, model in built.items():
            path = folder / "run" / stage / f"{stage}.keras"
            path.parent.mkdir(parents=True)
            model.save(path)
            inputs = tuple(tensor.name for tensor in model.inputs)
            name = small.NAME if stage == "student" else "vgg16"
            metadata = Metadata(name, CLASSES, FRAME_SIZE, "logits", stage, inputs, gaze_map_size=(6, 8))
            write_metadata(path, metadata)
        config = {"student": small.NAME, "student_options": {}}
        (folder / "run" / "config.yaml").write_text(yaml.safe_dump(config))
        yield folder, data


def call(run, command, out, *words, source="student/student.keras"):
    folder, _ = run
    flags = [command, folder / "run" / source, "--data", folder / "data", "--out", out, *words]
    return run_command(compress.main, [str(word) for word in flags])


def check_rows(run, out) -> list[dict]:
    """Each row is of a file that is there, that evaluation takes, and whose bytes are the ones told."""
    record = json.loads((out / "compression.json").read_text())
    for row in record["rows"]:
        path = out / row["path"]
        assert row["bytes"] == path.stat().st_size and 0 < row["gzipped_bytes"] <= 1.01 * row["bytes"]
        artefact = load_artefact(path)
        table = predict_split(artefact, run[1], "test")
        np.testing.assert_allclose(table[[f"p_{name}" for name in CLASSES]].sum(axis=1), 1, atol=1e-5)
        assert artefact.metadata.params == row["params"] and artefact.metadata.macs > 0
        assert artefact.metadata.extra["baselines"]["seed"] == 0
    files = {str(path.relative_to(out)) for path in out.rglob("*") if path.suffix in (".keras", ".tflite")}
    assert files == {row["path"] for row in record["rows"]}
    return record["rows"]


def test_prune_cluster_and_quantize_from_a_teacher(run, tmp_path):
    out = tmp_path / "out"
    teacher = run[0] / "run" / "student" / "student.keras"
    words = ["--sparsity", 0.75, "--clusters", 8, "--epochs", 1, "--int8-epochs", 1, "--teacher", teacher]
    assert call(run, "prune", out, *words) == 0
    rows = check_rows(run, out)
    names = [row["path"].removeprefix("sparsity_75_clusters_8/") for row in rows]
    assert names[0] == "student.keras" and {"student.tflite", "student_ptq.tflite", "student_int8.tflite"} <= set(names)
    for row in rows:
        assert row["target"] == {"sparsity": 0.75, "clusters": 8}
        assert row["measured"]["sparsity"] == pytest.approx(0.75, abs=1e-3)
        assert row["measured"]["values_per_channel"] <= 8
    assert rows[names.index("student_int8.tflite")]["method"] == "PCQAT"
    assert rows[0]["nonzero_params"] < 0.5 * rows[0]["params"]


def test_cluster_without_8_bit_training(run, tmp_path):
    assert call(run, "cluster", tmp_path / "out", "--clusters", 16, "--epochs", 1, "--int8-epochs", 0) == 0
    rows = check_rows(run, tmp_path / "out")
    assert [row["path"] for row in rows] == [
        f"clusters_16/student{end}" for end in (".keras", ".tflite", "_ptq.tflite")
    ]
    assert rows[0]["measured"]["values_per_kernel"] <= 16
    assert rows[1]["gzipped_bytes"] < 0.6 * rows[1]["bytes"]


def test_ptq_gives_a_file_of_each_kind(run, tmp_path):
    assert call(run, "ptq", tmp_path / "out") == 0
    rows = {row["target"]["kind"]: row for row in check_rows(run, tmp_path / "out")}
    assert list(rows) == ["dynamic", "float16", "int8"]
    dtypes = [read_metadata(tmp_path / "out" / row["path"]).extra["tensors"]["input"]["dtype"] for row in rows.values()]
    assert dtypes == ["float32", "float32", "uint8"]


def test_channels_of_a_teacher_with_gaze(run, tmp_path):
    out = tmp_path / "out"
    words = ["--keep", 0.5, "--epochs", 1, "--reconstruct", "false"]
    assert call(run, "channels", out, *words, source="teacher/teacher.keras") == 0
    (half,) = check_rows(run, out)
    whole = json.loads((out / "compression.json").read_text())["source_params"]
    assert half["path"] == "keep_50/model.keras" and half["params"] < 0.5 * whole


def test_channels_of_a_student_refitted_without_training(run, tmp_path):
    assert call(run, "channels", tmp_path / "out", "--keep", 0.75, 0.5, "--epochs", 0) == 0
    rows = check_rows(run, tmp_path / "out")
    assert [row["path"] for row in rows] == ["keep_75/model.keras", "keep_50/model.keras"]
    # 8 and 12 channels, the latter of 3×4 places: stem, depthwise, point, logits, and four numbers a channel.
    for row, (stem, point) in zip(rows, [(6, 9), (4, 6)]):
        norms = 4 * (stem + stem + point)
        assert row["params"] == 64 * stem + 9 * stem + stem * point + 12 * point * 3 + 3 + norms


@pytest.mark.parametrize(
    ("command", "words", "message"),
    [
        ("prune", ["--sparsity", "1.5"], "--sparsity 1.5: must be above 0 and below 1"),
        ("prune", ["--sparsity", "0.5", "0.5"], "names one twice"),
        ("prune", ["--clusters", "2"], "--clusters 2: at least 3"),
        ("prune", ["--epochs", "0"], "--epochs 0: must be at least 1"),
        ("prune", ["--student-options", "{depth: 3}"], "has no option 'depth'"),
        ("prune", ["--teacher", "gone.keras"], "gone.keras.json: there is no metadata"),
        ("prune", ["--teacher", "T", "--loss.attention_taps", "[stride5]"], "has no tap 'stride5'"),
        ("prune", ["--teacher", "T", "--loss.attention_taps", "[logits]"], "has no tap 'logits'"),
        ("prune", ["--loss.hard", "0", "--loss.gaze", "0"], "every weight is 0 (without a teacher)"),
        ("prune", ["--loss.logit", "1"], "loss.logit 1: needs a teacher, and there is none"),
        ("cluster", ["--gaze", "left"], "--gaze left: is none of real"),
        ("channels", ["--keep", "0"], "--keep 0.0: must be above 0"),
        ("channels", ["--criterion", "l2"], "--criterion l2: is none of l1, scale"),
        ("ptq", ["--kinds", "int4"], "--kinds int4: is none of dynamic, float16, int8"),
        ("ptq", ["--sparsity", "0.5"], "--sparsity"),
        ("squeeze", [], "squeeze"),
    ],
)
def test_a_wrong_command_line_is_one_line_and_nothing_is_written(run, tmp_path, capsys, command, words, message):
    words = [str(run[0] / "run" / "student" / "student.keras") if word == "T" else word for word in words]
    assert call(run, command, tmp_path / "out", *words) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1 and message in error
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("command", "source", "cure"),
    [
        ("prune", "student/student.keras", "give a --teacher"),
        ("cluster", "student/student.keras", "give a --teacher"),
        ("channels", "teacher/teacher.keras", "label some, or --epochs 0"),
    ],
)
def test_nothing_is_learned_from_frames_without_labels_and_teacher(run, tmp_path, capsys, command, source, cure):
    rng = np.random.default_rng(0)
    with write_dataset(tmp_path / "data", classes=CLASSES, frame_size=FRAME_SIZE, source={}, seed=0) as writer:
        for split in ("train", "val", "test"):
            for n in range(3):
                frame = rng.integers(0, 255, FRAME_SIZE).astype(np.uint8)
                writer.add(split, FrameRecord(frame, UNLABELLED, f"{split}{n}", f"{split}{n}", 0, 0.0))
    words = [command, run[0] / "run" / source, "--data", tmp_path / "data", "--out", tmp_path / "out"]
    assert run_command(compress.main, [str(word) for word in words]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "has no labelled frame in its training split to learn from" in error
    assert cure in error and not (tmp_path / "out").exists()


def test_a_source_that_is_no_student_or_no_keras_file_is_refused(run, tmp_path, capsys):
    assert call(run, "prune", tmp_path / "out", source="teacher/teacher.keras") == 2
    assert "no student 'vgg16'" in capsys.readouterr().err
    assert call(run, "ptq", tmp_path / "out", source="student/student.tflite") == 2
    assert "a .keras file is needed" in capsys.readouterr().err


def test_somebody_elses_folder_is_never_replaced(run, tmp_path, capsys):
    (tmp_path / "notes.txt").write_text("mine")
    assert call(run, "ptq", tmp_path, "--overwrite") == 2
    assert "holds files, and no compression.json" in capsys.readouterr().err
    assert (tmp_path / "notes.txt").read_text() == "mine"
