"""predict.py on files: what it writes, of clips whose answers are known, and what it refuses."""

import json
import os

import av
import numpy as np
import pandas as pd
import pytest
from PIL import Image

import predict as command
from common.errors import InputError, run_command
from data.video.fan import Fan
from data.video.read import open_video
from deployment.config import PredictConfig
from deployment.files import predict_files
from deployment.inputs import Clip
from deployment.prediction import Rule, answer
from deployment.recordings import recordings_summary
from evaluation.artefacts import save_keras
from tests.data.clips import write_video
from tests.deployment.small import CLASSES, SIZE, describe, third
from tests.private import found_in, private_words

COLUMNS = ["input", "recording_id", "frame", "time_s", *(f"p_{name}" for name in CLASSES)]
COLUMNS += ["raw_class", "smoothed_class", "confidence", "rejected", "flag"]


def run(*words) -> int:
    return run_command(command.main, [str(word) for word in words])


def decoded(path):
    """(times in s, RGB frames) of a video."""
    with av.open(str(path)) as container:
        assert container.streams.video[0].codec_context.name == "h264"
        frames = list(container.decode(video=0))
    return [frame.time for frame in frames], [frame.to_ndarray(format="rgb24") for frame in frames]


@pytest.fixture(scope="module")
def found(student, tmp_path_factory):
    """A whole run over two clips and an image: the output folder."""
    folder = tmp_path_factory.mktemp("found")
    frames = [third(0)] * 10 + [third(1, 40)] * 10 + [third(2)] * 10
    times_ms = np.cumsum(np.random.default_rng(0).integers(20, 60, 30)) - 20
    write_video(folder / "clip.mkv", frames, times_ms=times_ms)
    write_video(folder / "other.mkv", [third(1)] * 5)
    Image.fromarray(third(2)).save(folder / "still.png")
    assert run(student, folder / "*.mkv", folder / "still.png", "--out", folder / "out", "--crop", "none",
               "--video", "--frames", "--attention", "--show-crop") == 0  # fmt: skip
    return folder / "out"


def test_the_table_has_every_frame_of_every_input(found):
    table = pd.read_csv(found / "predictions.csv", keep_default_na=False)
    assert list(table.columns) == COLUMNS
    counts = table.groupby("input").size()
    assert [counts[f"…/{name}"] for name in ("clip.mkv", "other.mkv", "still.png")] == [30, 5, 1]
    np.testing.assert_allclose(table[[f"p_{name}" for name in CLASSES]].sum(axis=1), 1, atol=2e-6)
    clip = table[table["input"].str.endswith("clip.mkv")]
    assert list(clip["raw_class"]) == ["left"] * 10 + ["middle"] * 10 + ["right"] * 10
    assert clip["time_s"].is_monotonic_increasing and clip["time_s"].iloc[0] == 0


def test_the_summary_names_intervals_best_frames_settings_and_checksums(found):
    summary = json.loads((found / "summary.json").read_text())
    clip, other, still = summary["inputs"]
    assert [row["class"] for row in clip["intervals"]] == ["left", "right"]
    assert set(clip["best_frames"]) == {"left", "right"} and clip["rule"]["kind"] == "two_sided"
    assert sum(clip["kept"].values()) + clip["rejected"] == clip["frames"] == 30
    assert (other["kept"]["middle"], still["rule"]["kind"]) == (5, "still")
    assert summary["artefact"]["classes"] == list(CLASSES) and len(clip["sha256"]) == 64
    assert clip["crop"] == {"box": [0, 0, 64, 48], "how": "whole", "confidence": None}


def test_no_file_names_a_folder_of_this_machine(found, student):
    assert len(list(found.iterdir())) > 5
    assert found_in(found, private_words(found.parent, student.parent)) == []


def test_the_annotated_video_keeps_the_times_of_the_frames(found):
    summary = json.loads((found / "summary.json").read_text())
    table = pd.read_csv(found / "predictions.csv")
    times_s, pictures = decoded(found / summary["inputs"][0]["video"])
    own = table[table["input"].str.endswith("clip.mkv")]["time_s"]
    np.testing.assert_allclose(times_s, own, atol=1e-3)
    height, width = pictures[0].shape[:2]
    assert height % 2 == width % 2 == 0
    # The picture shows what was decoded: the third that is bright.
    for index, k in ((0, 0), (29, 2)):
        grey = pictures[index][:480].mean(axis=(0, 2))
        assert np.argmax([part.mean() for part in np.array_split(grey, 3)]) == k
    # The cursor of the timeline moves to the right.
    strips = [picture[480 + 58 : 480 + 61].astype(int).sum(axis=(0, 2)) for picture in pictures]
    places = [np.argmin(strip[14:-14]) for strip in strips]
    assert places == sorted(places) and places[-1] > 5 * width / 8
    assert "video" not in summary["inputs"][2], "one image is no video"


def test_best_frames_are_the_pictures_themselves(found):
    best = json.loads((found / "summary.json").read_text())["inputs"][0]["best_frames"]
    np.testing.assert_array_equal(np.asarray(Image.open(found / best["right"]["file"])), third(2))
    drawn = np.asarray(Image.open(found / "clip_crop.png"))
    assert drawn.shape[2] == 3 and drawn.shape[1] >= 640


@pytest.mark.parametrize("kind", ["folder", "images", "lossless"])
def test_a_clip_is_answered_alike_whatever_it_is_stored_as(kind, student, tmp_path):
    frames = [third(k % 3, 30 + 10 * k) for k in range(9)]
    words = [tmp_path / "in"]
    if kind == "lossless":
        words = [write_video(tmp_path / "in.avi", frames)]
    else:
        (tmp_path / "in").mkdir()
        for k, frame in enumerate(frames):
            Image.fromarray(frame).save(tmp_path / "in" / f"{k:03d}.png")
        words = words if kind == "folder" else [tmp_path / "in" / "*.png"]
    assert run(student, *words, "--out", tmp_path / "out", "--crop", "none") == 0
    table = pd.read_csv(tmp_path / "out" / "predictions.csv")
    from deployment import predict

    expected = predict(student, np.stack(frames)).table
    np.testing.assert_allclose(table.filter(like="p_"), expected.filter(like="p_"), atol=1e-6)


def test_threshold_and_smoothing_win_over_the_metadata(student, clip, tmp_path):
    assert run(student, clip, "--out", tmp_path / "a", "--crop", "none", "--threshold", 0, "--smoothing", 0) == 0
    table = pd.read_csv(tmp_path / "a" / "predictions.csv")
    assert not table["rejected"].any() and (table["raw_class"] == table["smoothed_class"]).all()
    assert run(student, clip, "--out", tmp_path / "b", "--crop", "none", "--threshold", 1) == 0
    assert pd.read_csv(tmp_path / "b" / "predictions.csv")["rejected"].all()


def test_a_crop_is_found_or_refused_with_a_picture(student, tmp_path, monkeypatch, capsys):
    frames = [np.pad(third(2), ((10, 20), (30, 8))) for _ in range(4)]
    clip = write_video(tmp_path / "screen.mkv", frames)
    box = (30, 10, 64, 48)
    mask = np.ones(frames[0].shape, bool)
    monkeypatch.setattr("deployment.view.find_fan", lambda frames: Fan("curved", box, mask, 0.97, ""))
    assert run(student, clip, "--out", tmp_path / "sure") == 0
    assert "crop 30,10,64,48 found" in capsys.readouterr().out
    (row,) = json.loads((tmp_path / "sure" / "summary.json").read_text())["inputs"]
    assert (row["crop"]["how"], row["kept"]["right"]) == ("found", 4)
    monkeypatch.setattr("deployment.view.find_fan", lambda frames: Fan("curved", box, mask, 0.3, "two fans"))
    assert run(student, clip, "--out", tmp_path / "unsure", "--show-crop") == 2
    said = capsys.readouterr().err
    assert "not sure (two fans; found 30,10,64,48): give crop" in said
    assert not (tmp_path / "unsure").exists() and (tmp_path / "unsure_screen_crop.png").is_file()
    assert run(student, clip, "--out", tmp_path / "given", "--crop", "30,10,64,48") == 0
    tables = [pd.read_csv(tmp_path / name / "predictions.csv") for name in ("sure", "given")]
    pd.testing.assert_frame_equal(*tables)


def test_a_model_that_takes_gaze_is_given_none(tmp_path, clip, capsys):
    from tests.evaluation.small import make_teacher

    teacher = make_teacher(size=SIZE)
    path = tmp_path / "teacher.keras"
    about = {"stage": "teacher", "inputs": ("frame", "gaze"), "gaze_map_size": (6, 8), "decision": None}
    save_keras(teacher, path, describe(**about))
    assert run(path, clip, "--out", tmp_path / "out", "--crop", "none") == 0
    said = capsys.readouterr().err
    assert "given the uniform map" in said and "no threshold" in said


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["gone.tflite", "CLIP", "--out", "out"], "gone.tflite: there is no such artefact"),
        (["ARTEFACT", "--out", "out"], "nothing to predict on"),
        (["ARTEFACT", "CLIP"], "out is missing"),
        (["ARTEFACT", "gone.mp4", "--out", "out"], "gone.mp4: there is no such video"),
        (["ARTEFACT", "gone/*.mp4", "--out", "out"], "no file matches"),
        (["ARTEFACT", "CLIP", "CLIP", "--out", "out"], "given twice"),
        (["ARTEFACT", "EMPTY", "--out", "out"], "the file is empty"),
        (["ARTEFACT", "TEXT", "--out", "out"], "can't be read as a video"),
        (["ARTEFACT", "TORN", "--out", "out", "--crop", "none"], "TORN"),
        (
            ["ARTEFACT", "CLIP", "--out", "out", "--crop", "60,0,10,10"],
            "crop 60,0,10,10 lies outside",
        ),
        (["ARTEFACT", "CLIP", "--out", "out", "--crop", "some"], "crop must be x,y,width,height"),
        (["ARTEFACT", "CLIP", "--out", "out", "--threshold", "2"], "threshold must be a probability"),
        (["ARTEFACT", "CLIP", "--out", "out", "--attention"], "ask for video too"),
        (["ARTEFACT", "CLIP", "--out", "CLIP"], "a folder is to be written there"),
        (["ARTEFACT", "CLIP", "--stream", "udp://127.0.0.1:9"], "leave one of them out"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_bad_input_is_one_line_and_nothing_is_written(words, message, student, clip, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("no video at all\n" * 50)
    whole = clip.read_bytes()
    (tmp_path / "TORN.mkv").write_bytes(whole[: len(whole) * 2 // 3])
    stand_for = {"ARTEFACT": student, "CLIP": clip, "EMPTY": "empty.mp4", "TEXT": "text.mp4", "TORN": "TORN.mkv"}
    before = sorted(tmp_path.iterdir())
    assert run(*(stand_for.get(word, word) for word in words)) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert message in said[-1] and said[-1].startswith("error: ") and sorted(tmp_path.iterdir()) == before


def test_a_name_that_is_no_utf8_is_refused_before_anything_is_decoded(student, tmp_path, monkeypatch, capsys):
    Image.fromarray(third(0)).save(tmp_path / os.fsdecode(b"sc\xe4n.png"))
    monkeypatch.setattr("deployment.inputs.open_video", lambda *_, **__: pytest.fail("is not opened"))
    assert run(student, tmp_path / "*.png", "--out", tmp_path / "out", "--crop", "none") == 2
    assert "sc\\udce4n.png': the name is no UTF-8: rename" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_an_earlier_prediction_is_replaced_only_when_asked(student, clip, tmp_path):
    config = {"artefact": student, "inputs": (str(clip),), "out": tmp_path / "out", "crop": "none"}
    predict_files(PredictConfig(**config))
    with pytest.raises(InputError, match="exists already"):
        predict_files(PredictConfig(**config))
    predict_files(PredictConfig(**config, overwrite=True))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").touch()
    with pytest.raises(InputError, match=r"no summary\.json"):
        predict_files(PredictConfig(**{**config, "out": tmp_path / "mine"}, overwrite=True))


def test_attention_of_a_file_that_hides_its_layers_is_refused(student, clip, tmp_path, monkeypatch):
    from deployment import look
    from evaluation.artefacts import load_artefact

    artefact = load_artefact(student)
    assert look.find_look(artefact).of(third(0)).shape == (6, 8)
    monkeypatch.setattr(look, "has_attention", lambda artefact: False)
    with pytest.raises(InputError, match="hides its layers"):
        look.find_look(artefact)


def test_a_manifest_says_what_the_answers_are_worth(student, clip, tmp_path, capsys):
    wide = [np.pad(third(2), ((0, 0), (10, 30))) for _ in range(5)]
    write_video(tmp_path / "wide.mkv", wide)
    (tmp_path / "labels.csv").write_text("start_s,end_s,label\n0,0.4,left\n0.4,0.6,Middle\n0.8,1.2,left\n")
    (tmp_path / "manifest.csv").write_text(
        "recording_id,patient_id,video,label,labels,crop_px\n"
        "a,p,clip.mkv,,labels.csv,\n"
        'b,q,wide.mkv,right,,"10,0,64,48"\n'
    )
    assert run(student, "--manifest", tmp_path / "manifest.csv", "--out", tmp_path / "out") == 0
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    worth = summary["recordings"]
    # 10 left, 5 middle and 10 wrong frames of the first clip; 5 of the second, which its crop makes right.
    assert (worth["frames"], worth["accuracy"]) == (30, pytest.approx(20 / 30))
    assert worth["clips"]["n_clips"] == 4 and worth["clips"]["per_class"]["right"] == 1
    assert [row["crop"]["how"] for row in summary["inputs"]] == ["given", "given"]
    assert "4 clips" in capsys.readouterr().out
    words = ["--manifest", tmp_path / "manifest.csv", "--out", tmp_path / "strict"]
    assert run(student, *words, "--threshold", "1", "--smoothing", "0", "--crop", "0,0,64,30") == 0
    summary = json.loads((tmp_path / "strict" / "summary.json").read_text())
    assert summary["recordings"]["clips"]["frames_to_decision"]["never"] == 4, "the threshold is that of the command"
    assert [row["crop"]["box"] for row in summary["inputs"]] == [[0, 0, 64, 30], [10, 0, 64, 48]]
    (tmp_path / "labels.csv").write_text("start_s,end_s,label\n0,0.4,thigh\n")
    assert run(student, "--manifest", tmp_path / "manifest.csv", "--out", tmp_path / "other") == 2
    assert "unknown class 'thigh'" in capsys.readouterr().err


def test_flagged_frames_of_a_recording_are_no_answers(clip):
    """As on a stream: rejected, and left out of the filter."""
    p = np.array([[0.9, 0.1, 0], [0.1, 0.9, 0], [0.6, 0.4, 0]])
    given = Clip("a", open_video(clip), "a", "a", labels=(0, 0, 0))
    rule = Rule("causal", 10.0, 0.5, False)

    def worth(*flags):
        return recordings_summary([(given, answer(CLASSES, p, list(flags), np.arange(3.0), rule))], rule)["clips"]

    assert worth("", "", "")["accuracy"] == pytest.approx(2 / 3) and worth("", "unlike", "")["accuracy"] == 1
    assert worth("unlike", "", "")["frames_to_decision"]["median"] == 2


def test_recordings_of_one_video_are_told_apart_and_no_picture_is_overwritten(student, tmp_path):
    write_video(tmp_path / "v0.mkv", [third(2)] * 3)
    (tmp_path / "manifest.csv").write_text(
        "recording_id,patient_id,video,crop_px\n"
        'V0,p,v0.mkv,"0,0,32,48"\nscan 1!,p,v0.mkv,"32,0,32,48"\nscan 1?,p,v0.mkv,\na/b,p,v0.mkv,\n'
    )
    out = tmp_path / "out"
    words = [tmp_path / "v0.mkv", "--manifest", tmp_path / "manifest.csv", "--out", out, "--crop", "none", "--frames"]
    assert run(student, *words, "--threshold", "0") == 0
    ids = ["", "V0", "scan 1!", "scan 1?", "a/b"]
    table = pd.read_csv(out / "predictions.csv", keep_default_na=False)
    assert list(table["recording_id"]) == [name for name in ids for _ in range(3)]
    inputs = json.loads((out / "summary.json").read_text())["inputs"]
    assert [each["recording_id"] for each in inputs] == ids and len({each["input"] for each in inputs}) == 1
    files = [best["file"] for each in inputs for best in each["best_frames"].values()]
    assert len({name.casefold() for name in files}) == len(files) >= 5
    assert {path.name for path in out.glob("*.png")} == set(files)
