"""compress.py as a user runs it: a folder of artefacts with their numbers, or one line and nothing."""

import json
import re
import shutil

import numpy as np
import pytest

import compress
from common.errors import run_command
from data.dataset import UNLABELLED, FrameRecord, write_dataset
from evaluation.artefacts import load_artefact, read_metadata
from evaluation.predictions import predict_split
from tests.baselines.runs import call
from tests.data.described import describe_again
from tests.eager import export_with_graphs
from tests.private import found_in, private_words
from tests.training.tiny import CLASSES, FRAME_SIZE, write_teacher


@pytest.fixture(autouse=True)
def quick(monkeypatch, eagerly):
    """Trainings of few steps run without graphs."""
    export_with_graphs(monkeypatch)


def check_rows(run, out) -> list[dict]:
    """Each row is of a file that is there, that evaluation takes, and whose bytes are the stated ones.

    No file names a folder of this machine, though all paths were absolute.
    """
    assert found_in(out, private_words(out.parent, run[0])) == []
    record = json.loads((out / "baseline.json").read_text())
    for row in record["rows"]:
        path = out / row["path"]
        assert row["bytes"] == path.stat().st_size and 0 < row["gzipped_bytes"] <= 1.01 * row["bytes"]
        artefact = load_artefact(path)
        table = predict_split(artefact, run[1], "test")
        np.testing.assert_allclose(table[[f"p_{name}" for name in CLASSES]].sum(axis=1), 1, atol=1e-5)
        assert artefact.metadata.params == row["params"] and artefact.metadata.macs > 0
        assert artefact.metadata.extra["baseline"]["seed"] == 0
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
    whole = json.loads((out / "baseline.json").read_text())["source_params"]
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
        ("prune", ["--sparsity", "1.5"], "sparsity must be in (0, 1), not 1.5"),
        ("prune", ["--student-options", "{depth: 3}"], "has no option 'depth'"),
        ("prune", ["--teacher", "gone.keras"], "gone.keras"),
        ("prune", ["--teacher", "T", "--loss.attention_taps", "[stride5]"], "has no tap 'stride5'"),
        ("prune", ["--teacher", "T", "--loss.attention_taps", "[logits]"], "has no tap 'logits'"),
        ("prune", ["--loss.hard", "0", "--loss.gaze", "0"], "every weight is 0 (without a teacher)"),
        ("prune", ["--loss.logit", "1"], "loss.logit 1: needs a teacher"),
        ("cluster", ["--loss.gaze", "2"], "loss.gaze 2: without a teacher the labels alone are learned from"),
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


@pytest.mark.parametrize(("command", "aim"), [("channels", ("--keep", 0.75)), ("prune", ("--sparsity", 0.5))])
def test_a_last_step_that_breaks_the_model_is_refused(run, tmp_path, capsys, command, aim):
    """Nothing is validated here, and the step's own loss is of the weights before it."""
    words = [*aim, "--epochs", 1, "--batch-size", 256, "--learning-rate", 1e30]
    assert call(run, command, tmp_path / "out", *words) == 2
    assert re.search(r"after.*: .* is (nan|inf).*: lower the learning rate", capsys.readouterr().err)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("command", "source", "cure"),
    [
        ("prune", "student/student.keras", "give a teacher"),
        ("channels", "teacher/teacher.keras", "label some, or set epochs to 0"),
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


def test_a_torn_shard_is_named_and_not_the_output_folder(run, tmp_path, capsys, monkeypatch):
    """Of a data set that is too large to be verified unasked."""
    data = shutil.copytree(run[0] / "data", tmp_path / "data")
    info = json.loads((data / "dataset.json").read_text())
    shard = data / info["splits"]["train"]["shards"][0]
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(content)
    describe_again(data, info)
    monkeypatch.setattr("data.dataset.SMALL_BYTES", 0)
    words = ["ptq", run[0] / "run" / "student" / "student.keras", "--data", data, "--out", tmp_path / "out"]
    assert run_command(compress.main, [str(word) for word in words]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: {shard}: record ") and error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_source_that_is_no_student_or_no_keras_file_is_refused(run, tmp_path, capsys):
    assert call(run, "prune", tmp_path / "out", source="teacher/teacher.keras") == 2
    assert "no student 'vgg16'" in capsys.readouterr().err
    assert call(run, "ptq", tmp_path / "out", source="student/student.tflite") == 2
    assert "a .keras file is needed" in capsys.readouterr().err


def test_a_teacher_of_other_gaze_maps_than_the_students_is_refused(run, tmp_path, capsys):
    """Once it was fed the student's maps without a word."""
    teacher = write_teacher(tmp_path / "teacher.keras", sigma=0.1)
    assert call(run, "prune", tmp_path / "out", "--teacher", teacher) == 2
    error = capsys.readouterr().err
    assert "was trained with gaze maps of sigma 0.1, and " in error and "with those of 0.03" in error
    assert not (tmp_path / "out").exists()


def test_somebody_elses_folder_is_never_replaced(run, tmp_path, capsys):
    (tmp_path / "notes.txt").write_text("mine")
    assert call(run, "ptq", tmp_path, "--overwrite") == 2
    assert "holds files, and no baseline.json" in capsys.readouterr().err
    assert (tmp_path / "notes.txt").read_text() == "mine"
