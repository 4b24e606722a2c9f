"""Every kind of artefact gives the probabilities of the model it came from."""

import numpy as np
import pytest
import tensorflow as tf

from common.errors import InputError
from data.saliency import map_size
from evaluation.artefacts import check_matches, load_artefact, metadata_path, write_metadata
from evaluation.artefacts.runners import quantized
from tests.evaluation.small import (
    CLASSES,
    SIZE,
    artefact_paths,
    describe,
    make_dataset,
    make_student,
    make_teacher,
    save_keras,
    save_saved_model,
)


@pytest.fixture
def features():
    frame = np.random.default_rng(0).integers(0, 256, (5, *SIZE, 1)).astype(np.float32) / 255
    gaze = np.random.default_rng(1).random((5, *map_size(SIZE))).astype(np.float32)
    return {"frame": frame, "gaze": gaze, "gaze_valid": np.ones(5, bool)}


def softmax(logits):
    e = np.exp(logits - logits.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("name", ["student/student.keras", "student/saved_model", "student/student.tflite"])
def test_float_artefacts_agree_with_the_model(run_folder, student, features, name):
    artefact = load_artefact(run_folder / name)
    expected = softmax(student(features["frame"]).numpy().astype(float))
    np.testing.assert_allclose(artefact.predict(features), expected, atol=2e-6)


def test_eight_bit_artefact_takes_raw_bytes(run_folder, student, features):
    artefact = load_artefact(run_folder / "int8" / "student_int8.tflite")
    probabilities = artefact.predict(features)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    np.testing.assert_allclose(probabilities, softmax(student(features["frame"]).numpy().astype(float)), atol=0.03)


def test_eight_bit_input_is_the_stored_byte(run_folder):
    stored = np.arange(256, dtype=np.uint8)
    as_float = tf.cast(stored, tf.float32).numpy() / np.float32(255)
    detail = {"dtype": np.uint8, "quantization": (np.float32(1 / 255), 0)}
    np.testing.assert_array_equal(quantized(as_float, detail), stored)


def test_teacher_sees_the_gaze(run_folder, features):
    artefact = load_artefact(run_folder / "teacher" / "teacher.keras")
    expected = softmax(make_teacher()([features["frame"], features["gaze"]]).numpy().astype(float))
    np.testing.assert_allclose(artefact.predict(features), expected, atol=2e-6)
    other = artefact.predict({**features, "gaze": features["gaze"][::-1]})
    assert np.abs(other - expected).max() > 1e-4


def test_one_frame_runs(run_folder, features):
    for path in artefact_paths(run_folder):
        one = {name: values[:1] for name, values in features.items()}
        assert np.shape(load_artefact(path, threads=1).one_frame(one)()) == (1, len(CLASSES))


def test_matches(run_folder, dataset, tmp_path):
    artefact = load_artefact(run_folder / "student" / "student.keras")
    check_matches(artefact.metadata, dataset, artefact.path)
    other = make_dataset(tmp_path / "reordered", classes=CLASSES[::-1])
    with pytest.raises(InputError, match=r"student\.keras.*abdomen, femur, head.*reordered.*head, femur, abdomen"):
        check_matches(artefact.metadata, other, artefact.path)
    large = make_dataset(tmp_path / "large", size=(24, 32))
    with pytest.raises(InputError, match=r"student\.keras.*16×24.*large.*24×32.*frame_size \(16, 24\)"):
        check_matches(artefact.metadata, large, artefact.path)


@pytest.mark.parametrize("name", ["broken.keras", "broken.tflite", "broken"])
def test_a_damaged_artefact_is_one_line(tmp_path, name):
    path = tmp_path / name
    if name == "broken":
        path.mkdir()
        (path / "saved_model.pb").write_bytes(b"no model at all")
    else:
        path.write_bytes(b"no model at all")
    write_metadata(path, describe())
    with pytest.raises(InputError, match=rf"{name}: can't be loaded"):
        load_artefact(path)


@pytest.mark.parametrize("name", ["student/student.keras", "student/student.tflite"])
def test_a_truncated_artefact_is_one_line(run_folder, tmp_path, name):
    whole = (run_folder / name).read_bytes()
    path = tmp_path / name.split("/")[1]
    path.write_bytes(whole[: len(whole) // 2])
    write_metadata(path, describe())
    with pytest.raises(InputError, match=r"can't be loaded"):
        load_artefact(path)


@pytest.mark.parametrize("name", ["absent.keras", "notes.txt", "folder"])
def test_what_is_no_artefact(tmp_path, name):
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match=rf"{name}.*artefact"):
        load_artefact(tmp_path / name)


def test_missing_metadata(run_folder, tmp_path):
    path = tmp_path / "student.keras"
    path.write_bytes((run_folder / "student" / "student.keras").read_bytes())
    with pytest.raises(InputError, match=r"student\.keras\.json"):
        load_artefact(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"classes": ("a", "b")}, "output of \\[3\\].* 2 classes"),
        ({"frame_size": (24, 16)}, "its input frame is \\[16, 24, 1\\].*\\[24, 16, 1\\]"),
        ({"inputs": ("frame", "gaze")}, "its inputs are frame, its metadata says frame, gaze"),
    ],
)
def test_metadata_of_another_model(tmp_path, changes, message):
    path = save_keras(tmp_path / "student.keras", make_student(), **changes)
    with pytest.raises(InputError, match=message):
        load_artefact(path)


def test_tflite_with_metadata_of_another_model(run_folder, tmp_path):
    path = tmp_path / "student.tflite"
    path.write_bytes((run_folder / "student" / "student.tflite").read_bytes())
    write_metadata(path, describe(frame_size=(24, 16)))
    with pytest.raises(InputError, match=r"takes \[1, 16, 24, 1\], its metadata says \[1, 24, 16, 1\]"):
        load_artefact(path)


def test_saved_model_with_other_class_names_inside(tmp_path, student):
    path = save_saved_model(tmp_path / "saved_model", student, classes=("x", "y", "z"))
    with pytest.raises(InputError, match="its class names are x, y, z"):
        load_artefact(path)


def test_saved_model_without_serve(tmp_path):
    tf.saved_model.save(tf.Module(), str(tmp_path / "saved_model"))
    write_metadata(tmp_path / "saved_model", describe())
    assert metadata_path(tmp_path / "saved_model").is_file()
    with pytest.raises(InputError, match="no `serve` endpoint"):
        load_artefact(tmp_path / "saved_model")
