"""The gaze head as a model of its own: frames in, a density out, refused where it is none."""

import json

import keras
import numpy as np
import pytest

from common.errors import InputError
from data.saliency import map_size
from evaluation.agreement import gaze_agreement
from evaluation.artefacts import check_matches, load_artefact, read_metadata
from evaluation.gaze_head import gaze_head_path, load_gaze_head, predict_gaze
from tests.evaluation.small import SIZE, describe, make_dataset, make_gaze_head, make_student, save_keras


@pytest.fixture
def frames():
    return np.random.default_rng(0).integers(0, 256, (70, *SIZE), dtype=np.uint8)


@pytest.fixture
def head(run_folder):
    return run_folder / "student" / "gaze_map.keras"


def test_every_map_is_a_density(head, frames):
    maps = predict_gaze(head, frames)
    assert maps.shape == (70, *map_size(SIZE)) and maps.dtype == np.float32
    assert (maps >= 0).all()
    np.testing.assert_allclose(maps.sum(axis=(1, 2)), 1, atol=1e-5)


def test_bytes_floats_channels_and_single_frames_are_the_same_frames(head, frames, student):
    expected = make_gaze_head(student)(frames[..., None].astype(np.float32) / 255).numpy()
    for given in (frames, frames[..., None], frames.astype(np.float64) / 255):
        np.testing.assert_allclose(predict_gaze(head, given), expected, atol=1e-6)
    np.testing.assert_allclose(predict_gaze(load_gaze_head(head), frames[3]), expected[3:4], atol=1e-6)
    assert predict_gaze(head, frames[:0]).shape == (0, *map_size(SIZE))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f[:, 1:], r"frames must be \[B, 16, 24\], not \[70, 15, 24\]"),
        (lambda f: f.astype(np.float32), "must be in"),
        (lambda f: f.astype(np.float32) * np.nan, "must be in"),
        (lambda f: f.astype(np.int64), "must be uint8 or float"),
        (lambda f: np.repeat(f[..., None], 3, axis=-1), r"not \[70, 16, 24, 3\]"),
    ],
)
def test_other_frames_are_refused(head, frames, change, message):
    with pytest.raises(ValueError, match=message):
        predict_gaze(head, change(frames))


def test_a_classifier_is_no_gaze_head_and_the_other_way_round(run_folder, head, frames):
    with pytest.raises(InputError, match=r"student\.keras: gives classes, not gaze maps"):
        predict_gaze(run_folder / "student" / "student.keras", frames)
    with pytest.raises(InputError, match=r"gaze_map\.keras: gives gaze maps, not classes"):
        load_artefact(head)
    assert gaze_head_path(run_folder / "student" / "student.keras") == head
    assert gaze_head_path(run_folder / "teacher" / "teacher.keras") is None


def test_a_head_on_another_grid_is_refused(tmp_path, dataset):
    path = save_keras(tmp_path / "gaze_map.keras", make_student(), stage="gaze_map", output="gaze_map")
    with pytest.raises(InputError, match=r"gives an output of \[3\], its metadata names maps of \[2, 3\]"):
        load_gaze_head(path)
    metadata = describe("gaze_map", output="gaze_map", gaze_map_size=(4, 6))
    with pytest.raises(InputError, match=r"its gaze maps are \[4, 6\], those of the data set .* are \[2, 3\]"):
        check_matches(metadata, dataset, "gaze_map.keras")
    large = make_dataset(tmp_path / "large", size=(24, 32))
    with pytest.raises(InputError, match="16×24"):
        check_matches(describe("gaze_map", output="gaze_map"), large, "gaze_map.keras")


def test_the_agreement_takes_as_many_frames_at_a_time_as_it_is_given(run_folder, dataset, monkeypatch):
    sizes = []

    def counted(model, frames):
        sizes.append(len(frames))
        return predict_gaze(model, frames)

    monkeypatch.setattr("evaluation.agreement.predict_gaze", counted)
    gaze_agreement([load_artefact(run_folder / "student" / "student.keras")], dataset, "val", batch_size=5)
    assert sizes == [5, 3]


def test_its_metadata_says_what_it_is(head):
    metadata = read_metadata(head)
    assert (metadata.stage, metadata.output, metadata.gaze_map_size) == ("gaze_map", "gaze_map", map_size(SIZE))
    assert isinstance(load_gaze_head(head), keras.Model)
    assert json.loads(head.with_name("gaze_map.keras.json").read_text())["sha256"]
