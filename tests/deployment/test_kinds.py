"""predict.py on artefacts and inputs of other kinds: SavedModel, TFLite, DICOM, models of blanked frames."""

import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import predict as command
from common.errors import run_command
from data.video.fan import find_fan
from deployment import predict
from deployment.prediction import View
from evaluation.artefacts import save_keras
from quantization.saved_model import export_saved_model
from quantization.tflite import export_float_tflite, post_training_int8
from tests.data.clips import write_dicom, write_video
from tests.data.screens import curved, speckle
from tests.deployment.conftest import CLASSES, describe, third

FRAMES = np.stack([third(0)] * 4 + [third(1, 60)] * 4 + [third(2)] * 4)


def table_of(*words) -> pd.DataFrame:
    assert run_command(command.main, [str(word) for word in words]) == 0
    return pd.read_csv(words[words.index("--out") + 1] / "predictions.csv", keep_default_na=False)


@pytest.fixture(scope="module")
def artefacts(student, model, tmp_path_factory):
    """One model in every form in which it leaves a run: {kind: path}."""
    folder = tmp_path_factory.mktemp("kinds")
    paths = {"keras": student, "saved_model": folder / "saved_model", "tflite": folder / "student.tflite"}
    export_saved_model(model, paths["saved_model"], describe())
    export_float_tflite(model, paths["tflite"], describe())
    paths["int8"] = folder / "student_int8.tflite"
    calibration = FRAMES[..., None].astype(np.float32) / 255
    post_training_int8(model, [calibration, calibration[::-1] / 2], paths["int8"], describe(stage="int8"))
    return paths


@pytest.mark.parametrize("kind", ["keras", "saved_model", "tflite", "int8"])
def test_every_kind_of_artefact_answers_a_dicom_as_the_library_answers_its_frames(kind, artefacts, student, tmp_path):
    scan = write_dicom(tmp_path / "scan.dcm", FRAMES, FrameTime=40.0)
    out = tmp_path / "out"
    table = table_of(artefacts[kind], scan, "--out", out, "--crop", "none", "--video", "--frames")
    expected = predict(student, FRAMES, times_s=np.arange(12) / 25).table
    # 8 bits: a step of the logits' scale on either side.
    tolerance = 0.03 if kind == "int8" else 1e-5
    np.testing.assert_allclose(table.filter(like="p_"), expected.filter(like="p_"), atol=tolerance)
    np.testing.assert_allclose(table["time_s"], expected["time_s"], atol=1e-6)
    assert list(table["raw_class"]) == list(expected["raw_class"]) == [name for name in CLASSES for _ in range(4)]
    summary = json.loads((out / "summary.json").read_text())
    assert (out / summary["inputs"][0]["video"]).is_file()
    assert summary["inputs"][0]["sha256"] and len(summary["artefact"]["sha256"]) == 64
    best = summary["inputs"][0]["best_frames"]["right"]["file"]
    np.testing.assert_array_equal(np.asarray(Image.open(out / best)), third(2))


def test_a_dicom_that_tells_no_times_is_given_a_rate(student, tmp_path):
    scan = write_dicom(tmp_path / "scan.dcm", FRAMES)
    table = table_of(student, scan, "--out", tmp_path / "out", "--crop", "none", "--fps", 10)
    np.testing.assert_allclose(table["time_s"], np.arange(12) / 10)


FAN = curved((300, 400), (200, -50), 0.55, (90, 330))


def scan(marked: bool) -> np.ndarray:
    """Speckle in a fan, above whose right side a scanner has burnt a bright mark: uint8 [6, h, w]."""
    frames = speckle(FAN, 6)
    if marked:
        frames[:, 30:80, 285:325] = 255
    return frames


@pytest.mark.parametrize("crop", ["none", "auto"])
def test_a_model_of_blanked_frames_is_shown_black_outside_the_fan(crop, model, student, tmp_path):
    blanking = tmp_path / "blank.keras"
    save_keras(model, blanking, describe(fan="blank"))
    found = {}
    for name, path, marked in (("plain", blanking, False), ("blank", blanking, True), ("keep", student, True)):
        clip = write_video(tmp_path / f"{name}.mkv", scan(marked))
        found[name] = table_of(path, clip, "--out", tmp_path / name, "--crop", crop).filter(like="p_").to_numpy()
    np.testing.assert_allclose(found["blank"], found["plain"], atol=5e-3)
    assert abs(found["keep"] - found["blank"]).max() > 0.02  # the mark is seen by a model of frames as they are
    fan = find_fan(scan(True))
    view = View(None if crop == "none" else fan.box, fan.mask)
    expected = predict(blanking, scan(True), times_s=np.arange(6) / 25, view=view).table
    np.testing.assert_allclose(found["blank"], expected.filter(like="p_"), atol=1e-6)
    # Beside the fan that was found there is nothing left, and little of the true one is lost.
    assert (fan.mask & FAN).sum() / (fan.mask | FAN).sum() > 0.97
