"""predict.py on artefacts and inputs of other kinds: SavedModel, TFLite, DICOM, models of blanked frames."""

import io
import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import predict as command
from common.errors import run_command
from data.sources.clip_frames import ClipCounts, ClipTask, clip_frames
from data.sources.config import RecordingsConfig
from data.sources.manifest import read_manifest
from data.video.fan import find_fan
from deployment import predict
from deployment.prediction import View
from evaluation.artefacts import save_keras
from quantization.saved_model import export_saved_model
from quantization.tflite import export_float_tflite, post_training_int8
from tests.data.clips import write_dicom, write_video
from tests.data.screens import curved, speckle
from tests.deployment.small import CLASSES, SIZE, describe, third

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


def test_clips_that_tell_no_times_are_given_a_rate_and_others_keep_theirs(student, tmp_path, capsys):
    pictures = [Image.fromarray(third(k % 3, 30 + 10 * k)) for k in range(12)]
    pictures[0].save(tmp_path / "a.gif", save_all=True, append_images=pictures[1:])
    scans = [write_dicom(tmp_path / "IM_0001", FRAMES), tmp_path / "a.gif", write_video(tmp_path / "a.mkv", FRAMES)]
    table = table_of(student, *scans, "--out", tmp_path / "out", "--crop", "none", "--fps", 10)
    expected = np.concatenate([np.arange(12) / fps for fps in (10, 10, 25)])
    np.testing.assert_allclose(table["time_s"], expected, atol=1e-6)
    for scan in scans[:2]:
        assert run_command(command.main, [str(student), str(scan), "--out", str(tmp_path / "no")]) == 2
        assert capsys.readouterr().err.endswith("give fps (in a manifest, its column fps) (--fps)\n")


def test_pixels_that_are_no_squares_are_for_every_input(student, tmp_path):
    clip = write_video(tmp_path / "clip.mkv", FRAMES)
    table = table_of(student, clip, "--out", tmp_path / "out", "--crop", "none", "--pixel-aspect", 1.5)
    expected = predict(student, FRAMES, times_s=np.arange(12) / 25, view=View(pixel_aspect=1.5)).table
    np.testing.assert_allclose(table.filter(like="p_"), expected.filter(like="p_"), atol=1e-6)


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


def test_the_fan_is_found_where_and_as_preparation_finds_it(model, tmp_path, capsys):
    blanking = tmp_path / "blank.keras"
    save_keras(model, blanking, describe(fan="blank"))
    # Two fans in a picture, which are no sure fan together; the left one is deeper after the first minute.
    left, right = curved((300, 400), (200, -50), 0.55, (90, 250)), curved((300, 400), (200, -50), 0.3, (90, 330))
    screens = np.concatenate([np.concatenate([speckle(a, 6), speckle(right, 6, 1)], axis=2) for a in (left, FAN)])
    screens[:, 30:80, 285:325] = 255
    write_video(tmp_path / "a.mkv", screens, times_ms=10_000 * np.arange(12))
    manifest = tmp_path / "manifest.csv"
    manifest.write_text('recording_id,patient_id,video,label,crop_px\na,p,a.mkv,left,"0,0,400,300"\n')
    options = {"frame_size": SIZE, "fan": "blank", "pixel_aspect": 1.2}
    config = RecordingsConfig(manifest=manifest, out=tmp_path / "data", **options)
    kept = [
        each for each, _ in clip_frames(ClipTask(read_manifest(manifest)[0], [], config, {"left": 0}), ClipCounts())
    ]
    frames = np.stack([np.asarray(Image.open(io.BytesIO(each.frame))) for each in kept])
    expected = predict(blanking, frames, times_s=np.array([each.time_s for each in kept])).table
    out = tmp_path / "out"
    table = table_of(blanking, "--manifest", manifest, "--out", out, "--pixel-aspect", 1.2)
    np.testing.assert_allclose(table.filter(like="p_"), expected.filter(like="p_"), atol=1e-6)
    assert json.loads((out / "summary.json").read_text())["inputs"][0]["fan"] == {"blanked": True, "unsure": ""}
    assert "nothing is blanked" not in capsys.readouterr().err
    write_video(tmp_path / "b.mkv", screens)
    table_of(blanking, tmp_path / "b.mkv", "--out", tmp_path / "unsure", "--crop", "none")
    found = json.loads((tmp_path / "unsure" / "summary.json").read_text())["inputs"][0]["fan"]
    assert not found["blanked"] and f"is not sure ({found['unsure']}), so nothing is blanked" in capsys.readouterr().err
